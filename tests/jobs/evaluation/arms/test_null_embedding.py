"""The rival that optimises the embedding of the empty prompt."""

import pytest
import torch

from jobs.evaluation.arms.models import load, pixels_of, plain
from jobs.evaluation.arms.null_embedding import null_embedding
from jobs.evaluation.arms.registry import run_arm
from jobs.evaluation.cases import draw_cases
from muse.method import Method
from muse.mini import WEIGHTS

SHORT = Method(steps=3, max_updates_per_step=2, stop_confidence=1.0)


def _made(method, cases, rate=0.3):
    return null_embedding(load(WEIGHTS), method, cases, plain, rate)


@pytest.mark.parametrize("editing", [False, True])
def test_without_updates_it_is_plain_sampling(editing):
    cases = draw_cases(2, 3, editing)
    base = run_arm(WEIGHTS, SHORT, "plain", cases)[0]
    never = _made(SHORT.replace(max_updates_per_step=0), cases)
    # Two levels of 255: other batches sum floats in another order.
    for still in (_made(SHORT, cases, rate=0.0), never):
        assert (pixels_of(still) - base).abs().max() <= 2 / 255 + 1e-6
    assert [sample.trace.guide_gradients for sample in never] == [0, 0]


def test_it_counts_what_it_evaluates_and_ends_early():
    cases = draw_cases(1, 3, editing=False)
    (sample,) = _made(SHORT, cases)
    # Three conditional outputs. Updates end at 70 %, so all three steps have two evaluations.
    assert (sample.trace.guide_gradients, sample.trace.nfe) == (6, 3 + 6 * 2)
    (sure,) = _made(SHORT.replace(stop_confidence=0.0, content_weight=0.0), cases)
    assert (sure.trace.guide_gradients, sure.trace.nfe) == (3, 3 + 3 * 2)
    (late,) = _made(SHORT.replace(guidance_end=0.3), cases)
    assert (late.trace.guide_gradients, late.trace.nfe) == (2, 3 + 2 * 2 + 2)


def test_content_that_is_lost_keeps_it_going():
    cases = draw_cases(1, 3, editing=False)
    never = SHORT.replace(stop_confidence=0.0, content_weight=1.0, content_similarity=1.0)
    assert _made(never, cases)[0].trace.guide_gradients == 6


@pytest.mark.research
def test_it_raises_the_guides_confidence():
    cases, guide = draw_cases(2, 3, editing=False), load(WEIGHTS).guide
    goal = torch.tensor([case.target.weights for case in cases])
    method = Method(steps=8)
    guided = pixels_of(_made(method, cases))
    base = run_arm(WEIGHTS, method, "plain", cases)[0]
    gain = ((guide.probs(guided).p - guide.probs(base).p) * goal).sum(-1)
    assert gain.mean() > 0.1
