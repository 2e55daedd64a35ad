"""At which step an edit starts."""

import pytest
import torch

from muse.diffusion.editing import KeptRegion, first_edit_step, step_warning
from muse.diffusion.schedule.schedules import schedule_of
from muse.method import Method

SD = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}


def _first(strength, start, config=SD, **changes):
    method = Method(steps=5, strength=strength, edit_start=start, **changes)
    return first_edit_step(schedule_of(config, method), method)


def test_an_inversion_never_ends_at_the_first_step():
    assert [_first(share, "inversion") for share in (1.0, 0.9, 0.5, 0.1, 0.0)] == [1, 1, 2, 4, 5]


@pytest.mark.parametrize(
    ("config", "firsts"), [(SD, [0, 2, 3, 5, 5]), (FLOW, [0, 1, 2, 4, 5])], ids=["sd", "flow"]
)
def test_from_noise_the_share_is_rounded_as_in_diffusers(config, firsts):
    assert [_first(share, "noise", config) for share in (1.0, 0.7, 0.5, 0.1, 0.0)] == firsts


@pytest.mark.parametrize(("sampler", "firsts"), [("heun", [0, 4, 9]), ("pndm", [0, 3, 6])])
def test_from_noise_an_edit_starts_where_a_step_does(sampler, firsts):
    """Some evaluations of these samplers correct the one before."""
    assert [_first(share, "noise", sampler=sampler) for share in (1.0, 0.6, 0.0)] == firsts


def test_without_a_step_the_smallest_strength_that_makes_one_is_named():
    def told(strength, steps=4):
        spacing = {"timestep_spacing": "trailing"}
        method = Method(steps=steps, strength=strength, scheduler=spacing)
        return step_warning(schedule_of(SD, method), method, "1 prompt(s)")

    warning = told(0.0)
    assert "method.strength = 0 leaves no step of method.steps = 4" in warning
    smallest = float(warning.rpartition(" ")[2])
    assert told(smallest) is None
    assert told(smallest - 0.001) is not None
    assert told(1.0, steps=1).startswith("method.steps = 1: the edits of 1 prompt(s) are not made")


def _region(**more):
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, 3:5, 4:8] = True
    return KeptRegion(torch.full((3, 8, 8), 0.25), mask, torch.full((4, 4, 4), 2.0), **more)


def test_a_latent_may_change_if_any_of_its_pixels_may():
    wanted = torch.zeros(1, 4, 4, dtype=torch.bool)
    wanted[:, 1:3, 2:4] = True
    assert torch.equal(_region().latent_mask, wanted)


def test_outside_of_a_mask_are_the_pictures_latents_at_the_level_of_the_step():
    schedule = schedule_of(SD, Method(steps=4))
    noise, made = torch.full((4, 4, 4), -1.0), torch.full((4, 4, 4), 7.0)
    noised = _region(noise=noise).blend(schedule, 2, made)
    inverted = _region(path={2: torch.full((4, 4, 4), 3.0)}).blend(schedule, 2, made)
    clean = _region(noise=noise).blend(schedule, 4, made)
    expected = 2.0 * float(schedule.alphas[2]) - float(schedule.sigmas[2])
    for blended, outside in ((noised, expected), (inverted, 3.0), (clean, 2.0)):
        assert float(blended[0, 0, 0]) == pytest.approx(outside)
        assert float(blended[0, 1, 2]) == 7.0


def test_pixels_outside_of_a_mask_are_the_pictures_own():
    seen = _region().composite(torch.full((2, 3, 8, 8), 0.75))
    assert seen[0, 0, 3, 3:6].tolist() == [0.25, 0.75, 0.75]
    assert float(seen[1, 2, 0, 0]) == 0.25
