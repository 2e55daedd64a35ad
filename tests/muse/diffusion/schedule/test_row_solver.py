"""Samplers that remember or draw noise: each row by itself, whatever stands beside it."""

import pytest
import torch

from muse.diffusion.backbones.stable_diffusion import StableDiffusion
from muse.diffusion.denoising import DenoisingState, cfg_predictor, denoise
from muse.diffusion.schedule.sampler import denoise_step
from muse.diffusion.schedule.schedules import make_schedule
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.request import Request
from tests.support.families import FAMILIES

CONFIG = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}
CONFIG |= {"beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
WITH_STATE = ["unipc", "heun", "pndm"]
WITH_NOISE = ["euler_a", "ddpm", "lcm", "tcd", "sde-dpm++"]


@pytest.fixture(scope="module")
def backbone(tokenizer):
    torch.manual_seed(0)
    return StableDiffusion(FAMILIES["sd1"](tokenizer))


def _walk(schedule, latents, seed, first_step=0):
    """A row's latents at the end, with a network that is a linear map."""
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(9)) / 8
    solver = schedule.solver(torch.Generator().manual_seed(seed), first_step)
    prev_x0 = torch.full_like(latents, float("nan"))
    for step in range(first_step, len(schedule)):
        index = torch.tensor([step])
        latents, prev_x0 = denoise_step(
            schedule, index, latents, latents @ weight, prev_x0, [solver]
        )
    return latents


@pytest.mark.parametrize("sampler", sorted({*WITH_STATE, *WITH_NOISE}))
def test_rows_at_different_steps_are_as_they_are_alone(sampler):
    schedule = make_schedule(CONFIG, 5, sampler, eta=0.5 if sampler == "tcd" else 0.0)
    start = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    begins = (0, schedule.begin(2))
    alone = [_walk(schedule, start[row : row + 1], row, begins[row]) for row in (0, 1)]
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(9)) / 8
    generators = [torch.Generator().manual_seed(row) for row in (0, 1)]
    solvers = [schedule.solver(g, b) for g, b in zip(generators, begins, strict=True)]
    latents, prev_x0 = start.clone(), torch.full_like(start, float("nan"))
    steps = [*begins]
    while min(steps) < len(schedule):
        rows = [row for row in (0, 1) if steps[row] < len(schedule)]
        latents[rows], prev_x0[rows] = denoise_step(
            schedule,
            torch.tensor([steps[row] for row in rows]),
            latents[rows],
            latents[rows] @ weight,
            prev_x0[rows],
            [solvers[row] for row in rows],
        )
        for row in rows:
            steps[row] += 1
    for row in (0, 1):
        assert torch.equal(latents[row], alone[row][0])


@pytest.mark.parametrize("sampler", WITH_NOISE)
def test_noise_follows_the_seed(sampler):
    schedule = make_schedule(CONFIG, 4, sampler, eta=0.5 if sampler == "tcd" else 0.0)
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(_walk(schedule, start, 3), _walk(schedule, start, 3))
    assert not torch.allclose(_walk(schedule, start, 3), _walk(schedule, start, 4), atol=1e-3)


@pytest.mark.parametrize("sampler", WITH_STATE)
def test_a_row_that_begins_later_ends_near_the_one_that_did_not(sampler):
    """As an edit does, after its inversion: the solver starts without a past."""
    schedule = make_schedule(CONFIG, 40, sampler)
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(9)) / 8
    first = schedule.begin(20)
    solver, latents = schedule.solver(torch.Generator()), start
    prev_x0 = torch.full_like(start, float("nan"))
    for step in range(first):
        latents, prev_x0 = denoise_step(
            schedule, torch.tensor([step]), latents, latents @ weight, prev_x0, [solver]
        )
    whole, later = _walk(schedule, start, 0), _walk(schedule, latents, 0, first)
    assert float((whole - later).norm() / whole.norm()) < 0.02


@torch.no_grad()
@pytest.mark.parametrize("sampler", ["unipc", "heun", "sde-dpm++"])
def test_a_state_is_never_changed_by_the_steps_from_it(backbone, sampler):
    """So that a hook may go back to it, and particles may be copied."""
    schedule = make_schedule(backbone.scheduler_config, 4, sampler)
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(1, *backbone.latent_shape, generator=draw)
    context = backbone.embed(backbone.text.plain(["a dog", "a dog"]))
    predict = cfg_predictor(backbone, context, context, 1.0)
    state = DenoisingState.start(schedule, latents.repeat(2, 1, 1, 1))
    state = state.advance(predict(state))
    once = denoise(state, predict)
    assert torch.equal(once, denoise(state, predict))
    copies = denoise(state.rows(torch.tensor([1, 1])), predict)
    assert torch.allclose(copies[0], once[1], atol=1e-5)
    assert torch.allclose(copies[1], once[1], atol=1e-5)


@pytest.mark.parametrize("sampler", ["euler_a", "heun"])
def test_the_engine_edits_with_it_and_batches_do_not_matter(
    backbone, random_guide, random_clip, sampler
):
    method = Method(sampler=sampler, steps=4, timing="fixed", timing_level=0.0, strength=0.7)
    method = method.replace(max_updates_per_step=1)
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    requests = [
        Request("a dog in a forest", Target.of("awe"), 1),
        Request("a dog in a forest", Target.of("fear"), 1, image=image),
        Request("a cat on a beach", Target.of("fear"), 2),
    ]
    engine = MuseEngine(backbone, random_guide, random_clip, method)
    together = engine.run(requests)
    for request, sample in zip(requests, together, strict=True):
        assert sample.failure is None
        (alone,) = engine.run([request])
        differences = (alone.pixels.int() - sample.pixels.int()).abs()
        assert int(differences.max()) <= 1


def test_an_edit_in_one_step_is_refused(backbone, random_guide, random_clip):
    method = Method(steps=1, sampler="euler", scheduler={"timestep_spacing": "trailing"})
    engine = MuseEngine(backbone, random_guide, random_clip, method)
    image = torch.rand(3, 32, 32)
    made, edit = engine.run(
        [
            Request("a dog", Target.of("awe"), 1),
            Request("a dog", Target.of("awe"), 1, image=image),
        ]
    )
    assert made.failure is None
    assert "at least 2 steps" in edit.failure
