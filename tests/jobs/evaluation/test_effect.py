"""The effect of the method on the embedded world, by the examiner, which no run evaluates."""

import pytest
import torch

from jobs.evaluation.arms.registry import run_arm
from jobs.evaluation.cases import draw_cases
from jobs.evaluation.measures.metrics import Examiners
from muse.method import Method
from muse.mini import WEIGHTS

pytestmark = pytest.mark.research

COUNT = 32
SEED = 5


@pytest.fixture(scope="module")
def arms():
    torch.manual_seed(0)
    cases = draw_cases(COUNT, SEED, editing=False)
    examiners = Examiners(WEIGHTS)
    return {
        arm: examiners.measure(run_arm(WEIGHTS, Method(), arm, cases)[0], cases)
        for arm in ("plain", "words", "oracle", "muse")
    }


def test_muse_succeeds_far_more_often_than_naming_the_emotion(arms):
    """Same 32 requests and noise; a margin of over three deviations by docs/results.md."""
    muse, words = (arms[arm]["success_examiner"].mean() for arm in ("muse", "words"))
    assert muse >= 1.5 * words
    assert muse - words >= 0.2


def test_muse_keeps_the_content(arms):
    assert arms["muse"]["content"].mean() >= arms["plain"]["content"].mean() - 0.2


def test_the_text_space_can_express_the_moods(arms):
    assert arms["oracle"]["success_examiner"].mean() >= 0.75
