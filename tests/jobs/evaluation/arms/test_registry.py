"""Every arm by its name: what it starts from, and what its settings change."""

from dataclasses import replace

import pytest
import torch

from jobs.evaluation.arms.models import load, pixels_of
from jobs.evaluation.arms.registry import (
    ABLATIONS,
    FROM_WORDS,
    NAMES,
    WHOLE,
    ablation,
    arm_of,
    cued,
    families,
    is_ablated,
    run_arm,
    sdedit,
)
from jobs.evaluation.cases import draw_cases, draw_mixtures
from muse.method import Method
from muse.mini import WEIGHTS

SHORT = Method(steps=3, max_updates_per_step=1)
LEVEL = 2 / 255 + 1e-6
"""Two levels of 255: other batches sum floats in another order."""


@pytest.fixture(scope="module")
def cases():
    return draw_cases(2, 3, editing=False)


@pytest.fixture(scope="module")
def edits():
    return draw_cases(2, 3, editing=True)


def test_every_default_is_a_setting():
    found = families()
    assert set(NAMES) == {*found, *ABLATIONS}
    for family in found.values():
        assert family.default in family.settings


def test_the_loops_without_guidance_are_plain_sampling(cases, edits):
    """From the engine's noise, and from its inversion; at full strength SDEdit has no source."""
    unguided = SHORT.replace(guidance_end=0.0)
    for some in (cases, edits):
        ours, theirs = (run_arm(WEIGHTS, unguided, arm, some)[0] for arm in ("latent", "plain"))
        assert (ours - theirs).abs().max() <= LEVEL
    made = pixels_of(sdedit(1.0)(load(WEIGHTS), SHORT, edits))
    by_words = arm_of("words")(load(WEIGHTS), SHORT, [_generated(case) for case in edits])
    assert (made - pixels_of(by_words)).abs().max() <= LEVEL


def _generated(case):
    return replace(case, source=None)


def test_words_ask_at_multiples_of_the_guidance_scale(cases):
    """At the same scale, a multiple of the scale is that scale."""
    models = load(WEIGHTS)
    twice = arm_of("words", "x2")(models, SHORT, cases)
    doubled = arm_of("words")(models, SHORT.replace(guidance_scale=8.0), cases)
    assert torch.equal(pixels_of(twice), pixels_of(doubled))


def test_cues_are_a_light_and_a_weather_whatever_the_content(cases):
    (one, other), (mixture,) = cases, draw_mixtures(1, 3)
    light = cued(one).removeprefix(one.prompt)
    assert light.count(",") == 1
    assert one.emotion not in light
    assert cued(_of(other, one.emotion)) == other.prompt + light
    assert cued(one, weather=True).startswith(cued(one) + ", ")
    assert cued(mixture, weather=True).count(",") == 4


def _of(case, emotion):
    return replace(case, emotion=emotion)


def test_an_ablation_changes_the_chosen_setting_alone():
    for name, changes in ABLATIONS.items():
        expected = {**FROM_WORDS["content 10"], **changes}
        assert dict(ablation(name, "content 10").changes) == expected


def test_an_ablation_of_a_part_that_the_setting_lacks_takes_nothing_away():
    without = SHORT.replace(content_weight=0.0)
    assert not is_ablated("muse-no-content", without, "as given")
    assert is_ablated("muse-no-content", without, "content 10")
    assert is_ablated("muse-no-content", SHORT, "as given")
    bare = SHORT.replace(inherent_weight=0.0, similar_weight=0.0, balance=1.0)
    assert is_ablated("muse-no-which", SHORT, "as given")
    assert not is_ablated("muse-no-which", bare, "content 10")


def test_without_when_guidance_starts_at_once_and_without_which_nothing_is_lowered(cases):
    late = SHORT.replace(timing="threshold", timing_level=1.0, timing_latest=0.5)
    started = run_arm(WEIGHTS, late, "muse-no-when", cases)[1]
    assert [sample.trace.start_step for sample in started] == [0, 0]
    bare = SHORT.replace(inherent_weight=0.0, similar_weight=0.0, balance=1.0)
    dropped, same = (
        run_arm(WEIGHTS, m, arm, cases) for m, arm in ((SHORT, "muse-no-which"), (bare, WHOLE))
    )
    assert torch.equal(dropped[0], same[0])


@pytest.mark.research
@pytest.mark.parametrize("task", ["generation", "editing", "mixtures"])
def test_every_setting_makes_every_task(task):
    cases = draw_mixtures(1, 3) if task == "mixtures" else draw_cases(1, 3, task == "editing")
    # Of three steps the weakest SDEdit would take none.
    method = SHORT.replace(steps=4)
    for name, family in families().items():
        if family.edits_alone and task != "editing":
            continue
        for setting, arm in family.settings.items():
            (sample,) = arm(load(WEIGHTS), method, cases)
            assert sample.pixels.shape == (128, 128, 3), (name, setting)
            assert sample.trace.nfe > 0, (name, setting)
