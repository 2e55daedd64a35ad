import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)

from jobs.world.models import build_scheduler
from muse.diffusion.schedule.sampler import apply_cfg, ddim, dpmpp_2m, to_x0_eps
from muse.diffusion.schedule.schedules import make_schedule

SD15 = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}
EDM = {key: SD15[key] for key in ("beta_start", "beta_end", "beta_schedule", "steps_offset")}


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_split_recovers_what_was_mixed(prediction):
    torch.manual_seed(0)
    x0, eps = (
        torch.randn(2, 4, 8, 8, dtype=torch.float64),
        torch.randn(2, 4, 8, 8, dtype=torch.float64),
    )
    alpha, sigma = 0.6, 0.8
    mixed = alpha * x0 + sigma * eps
    output = {"epsilon": eps, "v_prediction": alpha * eps - sigma * x0, "sample": x0}[prediction]
    got_x0, got_eps = to_x0_eps(output, mixed, alpha, sigma, prediction)
    assert torch.allclose(got_x0, x0)
    assert torch.allclose(got_eps, eps)


SCHEDULERS = {
    "ddim": DDIMScheduler(**SD15),
    "ddim, zero terminal signal": build_scheduler(),
    "euler": EulerDiscreteScheduler(**EDM),
    "euler, Karras": EulerDiscreteScheduler(**EDM, use_karras_sigmas=True),
    "dpm++": DPMSolverMultistepScheduler(**EDM),
    "dpm++, Karras": DPMSolverMultistepScheduler(**EDM, use_karras_sigmas=True),
    "dpm++, v-prediction": DPMSolverMultistepScheduler(**EDM, prediction_type="v_prediction"),
    "flow": FlowMatchEulerDiscreteScheduler(shift=3.0),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_a_trajectory_equals_diffusers_own(scheduler):
    """Ours in z = alpha x0 + sigma eps, theirs as they keep it, on a network that is a linear map
    of its input.
    """
    # It divides 1000, or diffusers would step beside its own timesteps; and it is at least 15, from
    # which on DPM-Solver is of second order.
    steps = 20
    schedule = make_schedule({**scheduler.config, "_class_name": type(scheduler).__name__}, steps)
    scheduler.set_timesteps(steps)
    assert schedule.timesteps.tolist() == scheduler.timesteps.tolist()
    torch.manual_seed(0)
    start, weight = (
        torch.randn(1, 4, 8, 8, dtype=torch.float64),
        torch.randn(8, 8, dtype=torch.float64) / 8,
    )
    ours = theirs = start
    if isinstance(scheduler, EulerDiscreteScheduler):
        # It keeps z / alpha, and gives the network z by scaling.
        theirs = start / schedule.alphas[0]
    prev_x0 = torch.full_like(start, float("nan"))
    for k, timestep in enumerate(scheduler.timesteps):
        seen = (
            scheduler.scale_model_input(theirs, timestep)
            if hasattr(scheduler, "scale_model_input")
            else theirs
        )
        theirs = scheduler.step(seen @ weight, timestep, theirs).prev_sample
        index = torch.tensor([k])
        x0, _ = to_x0_eps(ours @ weight, ours, *schedule.level(index, ours), schedule.prediction)
        ours, prev_x0 = schedule.step(schedule, index, ours, x0, prev_x0), x0
    assert torch.allclose(ours, theirs.double(), rtol=2e-4, atol=2e-4 * float(ours.abs().max()))


def test_the_second_order_differs_from_the_first():
    """The test above would pass for a DPM-Solver that forgot the step before, if both orders
    agreed.
    """
    schedule = make_schedule(DDIMScheduler(**SD15).config, 8, "dpm++")
    torch.manual_seed(0)
    x0, prev_x0, latents = torch.randn(3, 1, 4, 8, 8, dtype=torch.float64)
    index = torch.tensor([3])
    first = ddim(schedule, index, latents, x0, prev_x0)
    assert not torch.allclose(dpmpp_2m(schedule, index, latents, x0, prev_x0), first, atol=1e-3)
    alone = torch.full_like(x0, float("nan"))
    assert torch.allclose(dpmpp_2m(schedule, index, latents, x0, alone), first)


def test_rows_at_different_steps_are_as_they_are_alone():
    schedule = make_schedule(DDIMScheduler(**SD15).config, 8, "dpm++")
    torch.manual_seed(0)
    x0, prev_x0, latents = torch.randn(3, 3, 4, 8, 8, dtype=torch.float64)
    prev_x0[1] = float("nan")
    index = torch.tensor([1, 4, 7])
    together = schedule.step(schedule, index, latents, x0, prev_x0)
    for row in range(3):
        one = slice(row, row + 1)
        assert torch.equal(
            together[one], schedule.step(schedule, index[one], latents[one], x0[one], prev_x0[one])
        )


def test_the_embedded_schedule_begins_at_pure_noise():
    schedule = make_schedule(build_scheduler().config, 20)
    assert float(schedule.alphas[0]) == 0.0
    assert float(schedule.alphas[-1]) == 1.0


def test_guidance_at_scale_one_is_the_conditional_prediction():
    conditional, unconditional = torch.randn(2, 3), torch.randn(2, 3)
    assert torch.allclose(apply_cfg(conditional, unconditional, 1.0), conditional)


def test_rescaled_guidance_has_the_contrast_of_the_conditional_prediction():
    conditional, unconditional = torch.randn(
        2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0)
    )
    plain = apply_cfg(conditional, unconditional, 5.0)
    full = apply_cfg(conditional, unconditional, 5.0, 1.0)
    half = apply_cfg(conditional, unconditional, 5.0, 0.5)
    deviation = conditional.std(dim=(1, 2, 3))
    assert torch.allclose(full.std(dim=(1, 2, 3)), deviation)
    assert (plain.std(dim=(1, 2, 3)) > 2 * deviation).all()
    assert torch.allclose(half, (plain + full) / 2)
