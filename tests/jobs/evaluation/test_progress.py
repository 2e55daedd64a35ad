"""The time that an evaluation still takes, by what has been made."""

from collections import Counter

import pytest

from jobs.evaluation.kept import Batch
from jobs.evaluation.progress import INTERVAL_SECONDS, Progress, Spent, Work, seconds_left
from muse.request import Sample, Trace

WORDS, EDITS = Work("words x1", "generation"), Work("words x1", "editing")
MUSE, DRAWS = Work("muse as given", "generation"), Work("best-of-n 8", "generation", images=8)


def test_each_arm_and_task_is_as_fast_as_it_was():
    spent = {WORDS: Spent(10, 20.0), MUSE: Spent(10, 50.0)}
    assert seconds_left({WORDS: 3, MUSE: 2}, spent) == 3 * 2 + 2 * 5


def test_what_was_not_made_yet_is_as_fast_as_its_arm_or_as_all_by_decoded_images():
    spent = {WORDS: Spent(10, 20.0), MUSE: Spent(10, 50.0)}
    assert seconds_left({EDITS: 3}, spent) == 3 * 2
    assert seconds_left({DRAWS: 2}, spent) == pytest.approx(2 * 8 * 3.5)


def test_nothing_is_said_of_the_time_before_anything_is_made():
    assert seconds_left({WORDS: 3}, {}) is None


def _batch(cases, seconds, is_earlier=False):
    return Batch([Sample(None, Trace())] * cases, seconds, is_earlier)


def test_a_line_tells_how_far_an_arm_is_and_when_all_will_be_finished(capsys):
    progress = Progress(Counter({WORDS: 512}), _shown=-INTERVAL_SECONDS)
    progress.add(WORDS, _batch(80, 2080.0, is_earlier=True), 80, 512)
    assert capsys.readouterr().err == "", "what is read of the disk passes in silence"
    progress.add(WORDS, _batch(16, 416.0), 96, 512)
    printed = capsys.readouterr()
    assert printed.err == "words x1, generation 96/512, about 3.0 h left\n"
    assert printed.out == ""
    progress.add(WORDS, _batch(16, 416.0), 112, 512)
    assert capsys.readouterr().err == "", "not so soon again"


def test_a_plan_gives_way_to_another():
    progress = Progress(Counter({WORDS: 20, EDITS: 5}))
    progress.replan(Counter({WORDS: 16}), Counter({MUSE: 16}))
    assert progress.ahead == Counter({MUSE: 16, EDITS: 5, WORDS: 4})
