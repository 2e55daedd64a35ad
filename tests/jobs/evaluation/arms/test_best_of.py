"""Best of N: which draw is kept, what it costs, and that draws are made once."""

from dataclasses import replace

import pytest
import torch

from jobs.evaluation.arms.best_of import BestOfN
from jobs.evaluation.arms.models import Models
from jobs.evaluation.cases import draw_cases
from muse.emotions import MIKELS
from muse.emotions.probabilities import Probabilities
from muse.guidance.content_levels import ContentLevels
from muse.method import Method
from muse.request import Sample, Trace

METHOD = Method(steps=3)


@pytest.fixture
def cases():
    return draw_cases(2, 3, editing=False)


class Judge:
    """Is confident of the second draw of the first case, and of the first of the second."""

    def __init__(self, cases):
        self.cases = cases
        self.confidences = iter([(0.1, 0.9), (0.8, 0.2)])

    def probs(self, pixels):
        probs = torch.full((2, 8), 1e-9)
        for row, (case, value) in enumerate(zip(self.cases, next(self.confidences), strict=True)):
            probs[row, MIKELS.index(case.emotion)] = value
            probs[row, (MIKELS.index(case.emotion) + 1) % 8] = 1 - value
        return Probabilities.from_softmax(probs.log())


class Clip:
    """Finds the content in the first draws alone."""

    levels = ContentLevels(content_similarity=0.75)

    def __init__(self):
        self.cosines = iter([0.9, 0.1])

    def text(self, prompts):
        return torch.ones(len(prompts), 1)

    def image(self, pixels):
        return torch.full((len(pixels), 1), next(self.cosines))


def _drawing(seeds):
    """Draws whose pixels are their number."""

    def draw(models, method, cases):
        seeds.append([case.seed for case in cases])
        number = len(seeds)
        pixels = torch.full((64, 64, 3), number, dtype=torch.uint8)
        return [Sample(pixels, Trace(nfe=5)) for _ in cases]

    return draw


def test_the_best_draw_of_each_case_is_kept_and_all_are_paid(cases):
    seeds = []
    best = BestOfN(_drawing(seeds), None)
    models = Models(None, None, Judge(cases), Clip())
    # A level that no draw reaches, so that the judge alone decides.
    never = METHOD.replace(content_similarity=1.0)
    samples = best.make(models, never, cases, 2)
    assert [int(sample.pixels[0, 0, 0]) for sample in samples] == [2, 1]
    assert [sample.trace.nfe for sample in samples] == [10, 10]
    assert seeds[0] == [case.seed for case in cases], "the first draw has the noise of all arms"
    assert not {*seeds[0]} & {*seeds[1]}


def test_fewer_draws_are_the_first_of_more(cases):
    seeds = []
    best = BestOfN(_drawing(seeds), None)
    models = Models(None, None, Judge(cases), Clip())
    best.make(models, METHOD, cases, 2)
    one = best.make(models, METHOD, cases, 1)
    assert [int(sample.pixels[0, 0, 0]) for sample in one] == [1, 1]
    assert [sample.trace.nfe for sample in one] == [5, 5]
    assert len(seeds) == 2, "nothing is drawn again"


def test_edits_are_drawn_by_another_arm(cases):
    seeds = []
    edits = [replace(case, source=torch.zeros(3, 64, 64)) for case in cases]
    best = BestOfN(None, _drawing(seeds))
    assert len(best.make(Models(None, None, Judge(cases), Clip()), METHOD, edits, 1)) == 2


def test_a_draw_that_lost_its_content_is_passed_over(cases):
    """The judge prefers the second draw of the first case."""
    best = BestOfN(_drawing([]), None)
    models = Models(None, None, Judge(cases), Clip())
    chosen = best.make(models, METHOD, cases, 2)
    assert [int(sample.pixels[0, 0, 0]) for sample in chosen] == [1, 1]
    never = METHOD.replace(content_similarity=1.0)
    chosen = best.make(models, never, cases, 2)
    assert [int(sample.pixels[0, 0, 0]) for sample in chosen] == [2, 1], "none has kept it"
