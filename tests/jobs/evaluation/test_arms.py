"""The arms: what they draw, select and start from."""

from dataclasses import replace

import pytest
import torch

from jobs.evaluation import arms
from jobs.evaluation.arms import (
    Models,
    best_of,
    load,
    noise_of,
    pixels_of,
    run_arm,
    sdedit,
    verdicts,
)
from jobs.evaluation.cases import draw_cases
from muse.emotions import MIKELS
from muse.emotions.probabilities import Probabilities
from muse.method import Method
from muse.mini import WEIGHTS
from muse.request import Sample, Trace

SHORT = Method(steps=3, max_updates_per_step=1)


@pytest.fixture(scope="module")
def cases():
    return draw_cases(2, 3, editing=False)


@pytest.fixture(scope="module")
def edits():
    return draw_cases(2, 3, editing=True)


def test_more_draws_never_lower_the_judges_confidence(cases):
    models = load(WEIGHTS)

    def confidence(samples):
        return verdicts(models, cases, pixels_of(samples))

    once, thrice = (best_of(models, SHORT, cases, draws) for draws in (1, 3))
    alone = arms.ARMS["prompted"](models, SHORT, cases)
    assert [a.pixels.tolist() for a in once] == [b.pixels.tolist() for b in alone]
    assert (confidence(thrice) >= confidence(once)).all()
    assert [s.trace.nfe for s in thrice] == [3 * s.trace.nfe for s in once]


def test_rejection_keeps_the_best_draw_of_each_case(cases, monkeypatch):
    """The judge is confident of the second draw of the first case and the first of the second."""
    confidences = iter([torch.tensor([0.1, 0.9]), torch.tensor([0.8, 0.2])])
    drawn = iter([1, 2])

    class Judge:
        def probs(self, pixels):
            probs = torch.full((2, 8), 1e-9)
            for row, (case, value) in enumerate(zip(cases, next(confidences), strict=True)):
                probs[row, MIKELS.index(case.emotion)] = value
                probs[row, (MIKELS.index(case.emotion) + 1) % 8] = 1 - value
            return Probabilities.from_softmax(probs.log())

    def once(models, method, cases):
        number = next(drawn)
        return [
            Sample(torch.full((64, 64, 3), number, dtype=torch.uint8), Trace(nfe=5)) for _ in cases
        ]

    monkeypatch.setitem(arms.ARMS, "prompted", once)
    models = load(WEIGHTS)
    best = best_of(Models(models.backbone, models.guide, Judge(), models.clip), SHORT, cases, 2)
    assert [int(sample.pixels[0, 0, 0]) for sample in best] == [2, 1]
    assert [sample.trace.nfe for sample in best] == [10, 10]


def test_the_plain_loops_start_from_the_engines_noise(cases, edits):
    """Without guidance `latent` is plain sampling; at full strength `sdedit` ignores its source."""
    unguided = SHORT.replace(guidance_end=0.0)
    for some in (cases, edits):
        ours, theirs = (run_arm(WEIGHTS, unguided, arm, some)[0] for arm in ("latent", "plain"))
        # Two levels of 255: other batches sum floats in another order.
        assert (ours - theirs).abs().max() <= 2 / 255 + 1e-6
    made = pixels_of(sdedit(load(WEIGHTS), SHORT, edits, strength=1.0))
    from_noise, _, _ = run_arm(
        WEIGHTS, SHORT, "prompted", [replace(case, source=None) for case in edits]
    )
    assert (made - from_noise).abs().max() <= 2 / 255 + 1e-6


def test_noise_only_depends_on_the_case(cases):
    models = load(WEIGHTS)
    together, alone = noise_of(models, cases)[0], noise_of(models, cases[1:])[0]
    assert torch.equal(together[1:], alone)


@pytest.mark.research
def test_latent_gradients_raise_the_guides_confidence(cases):
    """At full length of steps; on these two cases the guide gains 0.1 or more in the mean."""
    method = Method(steps=8)
    guide = load(WEIGHTS).guide
    goal = torch.tensor([case.target.weights for case in cases])
    guided, plain = (run_arm(WEIGHTS, method, arm, cases)[0] for arm in ("latent", "plain"))
    gain = ((guide.probs(guided).p - guide.probs(plain).p) * goal).sum(-1)
    assert gain.mean() > 0.1


def test_without_when_guidance_starts_at_once_and_without_which_nothing_is_lowered(cases):
    started = run_arm(
        WEIGHTS, SHORT.replace(timing_level=1.0, timing_latest=0.5), "muse-no-when", cases
    )[1]
    assert [sample.trace.start_step for sample in started] == [0, 0]
    bare = SHORT.replace(inherent_weight=0.0, similar_weight=0.0, balance=1.0)
    dropped, same = (
        run_arm(WEIGHTS, m, arm, cases) for m, arm in ((SHORT, "muse-no-which"), (bare, "muse"))
    )
    assert torch.equal(dropped[0], same[0])
