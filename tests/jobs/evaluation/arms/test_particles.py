"""Feynman-Kac steering: resampling, the noise of a step, and which particles go on."""

import pytest
import torch
from diffusers import DDIMScheduler

from jobs.evaluation.arms.models import load, pixels_of
from jobs.evaluation.arms.particles import (
    RESAMPLED,
    Particles,
    feynman_kac,
    resampled_steps,
    systematic,
    with_fresh_noise,
)
from jobs.evaluation.cases import draw_cases
from muse.diffusion.denoising import DenoisingState
from muse.diffusion.schedule.schedules import make_schedule
from muse.emotions import MIKELS
from muse.emotions.probabilities import Probabilities
from muse.method import Method
from muse.mini import WEIGHTS

STEPS = 10


@pytest.fixture
def states(random_backbone):
    """Two rows before and after a step of deterministic DDIM, and the output of the network."""
    schedule = make_schedule(random_backbone.scheduler_config, STEPS)
    generator = torch.Generator().manual_seed(0)
    latents, output = (
        torch.randn(2, *random_backbone.latent_shape, generator=generator) for _ in range(2)
    )
    before = DenoisingState.start(schedule, latents, 4)
    return before, before.advance(output), output


def test_as_many_descendants_as_the_share_of_the_weight_up_to_rounding():
    weights = torch.tensor([[1.0, 1.0, 2.0, 0.0], [0.0, 5.0, 0.0, 0.0]])
    for offset in (0.0, 0.4, 0.999):
        ancestors = systematic(weights, torch.tensor([offset, offset]))
        assert ancestors[0].tolist() == [0, 1, 2, 2]
        assert ancestors[1].tolist() == [1, 1, 1, 1]


def test_equal_weights_keep_every_particle():
    assert systematic(torch.ones(1, 8), torch.tensor([0.3])).tolist() == [list(range(8))]


def test_a_step_with_fresh_noise_is_diffusers_ddim_at_full_eta(states, random_backbone):
    before, following, output = states
    scheduler = DDIMScheduler.from_config(random_backbone.scheduler_config)
    scheduler.set_timesteps(STEPS)
    noise = torch.randn(before.latents.shape, generator=torch.Generator().manual_seed(1))
    step = int(before.timesteps[0])
    expected = scheduler.step(output, step, before.latents, eta=1.0, variance_noise=noise)
    found = with_fresh_noise(before, following, noise)
    assert torch.allclose(found.latents, expected.prev_sample, rtol=1e-4, atol=1e-4)


def test_the_last_step_draws_no_noise(states):
    before, _, output = states
    last = DenoisingState.start(before.schedule, before.latents, STEPS - 1)
    end = last.advance(output)
    assert with_fresh_noise(last, end, torch.ones_like(before.latents)) is end


class Guide:
    """Finds the target only in the images of one row."""

    def __init__(self, row):
        self.row = row

    def probs(self, pixels):
        logits = torch.zeros(len(pixels), 8)
        logits[self.row, 0] = 50.0
        return Probabilities.from_softmax(logits)


def test_the_particle_that_the_guide_confirms_goes_on(states, random_backbone):
    before, following, _ = states
    goal = torch.zeros(1, 8)
    goal[0, MIKELS.index(MIKELS.labels[0])] = 1
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    offsets = torch.Generator().manual_seed(0)
    particles = Particles(random_backbone, Guide(1), goal, 2, generators, offsets)
    assert following.step not in resampled_steps(STEPS)
    assert len(resampled_steps(STEPS)) == len(RESAMPLED)
    rows = particles._ancestors(following.prev_x0)
    assert rows.tolist() == [1, 1]
    assert particles.highest.tolist() == pytest.approx([1.0, 1.0])
    # Both have the same latents, and part by their noise.
    moved = particles.on_step(before, following.rows(rows))
    assert not torch.equal(moved.latents[0], moved.latents[1])


def test_more_particles_cost_more_and_one_needs_no_resampling():
    models, cases = load(WEIGHTS), draw_cases(2, 3, editing=False)
    method = Method(steps=4)
    one, three = (feynman_kac(models, method, cases, count) for count in (1, 3))
    assert [sample.trace.nfe for sample in one] == [8, 8]
    assert [sample.trace.nfe for sample in three] == [24, 24]
    assert one[0].trace.guide_forwards == 0
    # Before the steps at 20, 40, 60 and 80 % of four: 1, 2, 2 and 3.
    assert three[0].trace.guide_forwards == 3 * 3
    assert not torch.equal(pixels_of(one), pixels_of(three))
