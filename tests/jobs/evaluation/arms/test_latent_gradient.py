"""The hooks of the baseline, on tiny models of random weights."""

import pytest
import torch

from jobs.evaluation.arms.latent_gradient import TRAVELS, LatentGradient
from muse.diffusion.denoising import DenoisingState, denoise
from muse.diffusion.schedule.schedules import make_schedule
from muse.emotions import Target
from muse.method import Method


@pytest.fixture
def hooks_of(random_backbone, random_guide):
    def _hooks_of(size=0.1, **changes):
        with torch.no_grad():
            plain = random_backbone.embed(random_backbone.text.plain(["a dog", "a cat"]))
            negative = random_backbone.embed(random_backbone.text.plain(["", ""]))
        return LatentGradient(
            random_backbone,
            random_guide,
            Method(steps=4, guidance_end=0.5, **changes),
            [Target.of("awe"), Target.of("fear")],
            plain,
            negative,
            scale=3.0,
            size=size,
            generators=[torch.Generator().manual_seed(seed) for seed in (1, 2)],
        )

    return _hooks_of


@pytest.fixture
def start(random_backbone):
    """At the second step: the first is pure noise, to which nothing travels back."""
    schedule = make_schedule(random_backbone.scheduler_config, 4)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, *random_backbone.latent_shape, generator=generator)
    return DenoisingState.start(schedule, latents, step=1)


@torch.no_grad()
def test_a_guided_step_is_taken_again_and_its_cost_counted(hooks_of, start):
    hooks, steps = hooks_of(), []

    def on_step(before, following):
        steps.append(before.step)
        return hooks.on_step(before, following)

    denoise(start, hooks.predict, on_step)
    # Guidance ends after half of the steps: the second is the only guided one from here.
    assert steps == [1] * TRAVELS + [2, 3]
    assert (hooks.gradients, hooks.nfe) == (TRAVELS, 3 * TRAVELS + 2 * 2)


@torch.no_grad()
def test_pure_noise_is_not_travelled_back_to(hooks_of, start):
    hooks = hooks_of()
    first = DenoisingState.start(start.schedule, start.latents)
    assert float(first.schedule.alphas[0]) == 0.0
    following = hooks.on_step(first, first.advance(hooks.predict(first)))
    assert following.step == 1


@torch.no_grad()
def test_a_move_has_the_length_of_the_correction_times_its_size(hooks_of, start):
    hooks = hooks_of(size=0.1)
    hooks.predict(start)
    lengths = hooks.move.flatten(1).norm(dim=1)
    plain, negative = (
        hooks.backbone.predict(start.latents, start.timesteps, conditioning)
        for conditioning in (hooks.conditional, hooks.unconditional)
    )
    corrections = hooks.scale * (plain - negative).flatten(1).norm(dim=1)
    assert torch.allclose(lengths, 0.1 * corrections, rtol=1e-4)


@torch.no_grad()
def test_a_row_of_which_the_guide_is_confident_is_not_moved(hooks_of, start):
    hooks = hooks_of(stop_confidence=0.0)
    hooks.predict(start)
    assert not hooks.move.any()
