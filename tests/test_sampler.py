import pytest
import torch
from diffusers import DDIMScheduler

from jobs.mini_models import build_scheduler
from muse.sampler import guided, make_schedule, split, step

SD15 = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_split_recovers_what_was_mixed(prediction):
    torch.manual_seed(0)
    x0, eps = torch.randn(2, 4, 8, 8, dtype=torch.float64), torch.randn(2, 4, 8, 8, dtype=torch.float64)
    alpha, sigma = 0.6, 0.8
    mixed = alpha * x0 + sigma * eps
    output = {"epsilon": eps, "v_prediction": alpha * eps - sigma * x0, "sample": x0}[prediction]
    got_x0, got_eps = split(output, mixed, alpha, sigma, prediction)
    assert torch.allclose(got_x0, x0)
    assert torch.allclose(got_eps, eps)


@pytest.mark.parametrize("config", [SD15, None], ids=["sd15", "embedded"])
def test_a_trajectory_equals_diffusers_ddim(config):
    scheduler = DDIMScheduler(**config) if config else build_scheduler()
    schedule = make_schedule(scheduler.config, 10)
    scheduler.set_timesteps(10)
    assert schedule.timesteps.tolist() == scheduler.timesteps.tolist()
    torch.manual_seed(0)
    ours = theirs = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    weight = torch.randn(8, 8, dtype=torch.float64) / 8
    for index, timestep in enumerate(scheduler.timesteps):
        output = theirs @ weight
        theirs = scheduler.step(output, timestep, theirs).prev_sample
        x0, eps = split(ours @ weight, ours, schedule.alphas[index], schedule.sigmas[index], schedule.prediction)
        ours = step(x0, eps, schedule.alphas[index + 1], schedule.sigmas[index + 1])
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_embedded_schedule_begins_at_pure_noise():
    schedule = make_schedule(build_scheduler().config, 20)
    assert float(schedule.alphas[0]) == 0.0
    assert float(schedule.alphas[-1]) == 1.0


def test_guidance_at_scale_one_is_the_conditional_prediction():
    conditional, unconditional = torch.randn(2, 3), torch.randn(2, 3)
    assert torch.allclose(guided(conditional, unconditional, 1.0), conditional)
