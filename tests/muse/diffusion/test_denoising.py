"""The loop and its hooks on a tiny model of random weights: every kind of method fits them."""

from dataclasses import replace

import pytest
import torch

from muse.diffusion.backbones.base import Conditioning
from muse.diffusion.denoising import DenoisingState, cfg_predictor, denoise
from muse.diffusion.inversion import ddim_invert
from muse.diffusion.schedule.sampler import apply_cfg, ddim, to_x0_eps
from muse.diffusion.schedule.schedules import make_schedule

SCALE = 3.0


@pytest.fixture
def schedule(random_backbone):
    return make_schedule(random_backbone.scheduler_config, 5)


@pytest.fixture
def start(random_backbone, schedule):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, *random_backbone.latent_shape, generator=generator)
    return DenoisingState.start(schedule, latents)


@pytest.fixture
def embed(random_backbone):
    def _embed(prompt, rows=2):
        with torch.no_grad():
            return random_backbone.embed(random_backbone.text.plain([prompt] * rows))

    return _embed


@torch.no_grad()
def test_without_hooks_it_is_ddim_under_classifier_free_guidance(random_backbone, start, embed):
    conditional, unconditional, schedule = embed("a dog"), embed(""), start.schedule
    latents = start.latents
    for step, timestep in enumerate(schedule.timesteps):
        outputs = [
            random_backbone.predict(latents, timestep.expand(2), context)
            for context in (conditional, unconditional)
        ]
        index = torch.tensor([step, step])
        alpha, sigma = schedule.level(index, latents)
        output = apply_cfg(*outputs, SCALE)
        x0, _ = to_x0_eps(output, latents, alpha, sigma, schedule.prediction)
        latents = ddim(schedule, index, latents, x0, x0)
    predict = cfg_predictor(random_backbone, conditional, unconditional, SCALE)
    assert torch.equal(denoise(start, predict), latents)


@torch.no_grad()
def test_each_prediction_and_each_step_is_called_once_and_in_order(random_backbone, start, embed):
    plain, calls = cfg_predictor(random_backbone, embed("a dog"), embed(""), SCALE), []

    def predict(state):
        calls.append(("prediction", state.step))
        return plain(state)

    def on_step(before, following):
        calls.append(("step", before.step, following.step))

    denoise(replace(start, step=3), predict, on_step)
    assert calls == [("prediction", 3), ("step", 3, 4), ("prediction", 4), ("step", 4, 5)]


@torch.no_grad()
def test_directions_combine_three_predictions(random_backbone, start, embed):
    """u + s (c - u) + e (n - c), with the unconditional, the plain and the named prompt."""
    contexts = [embed(prompt) for prompt in ("", "a dog", "a dog, evoking awe")]

    def directions(strength):
        def predict(state):
            predictions = Conditioning.cat(contexts)
            rows, timesteps = state.latents.repeat(3, 1, 1, 1), state.timesteps.repeat(3)
            base, plain, named = random_backbone.predict(rows, timesteps, predictions).chunk(3)
            return apply_cfg(plain, base, SCALE) + strength * (named - plain)

        return predict

    unguided = cfg_predictor(random_backbone, contexts[1], contexts[0], SCALE)
    plain = denoise(start, unguided)
    # Rows of a larger pass sum floats in another order.
    assert torch.allclose(denoise(start, directions(0.0)), plain, atol=1e-4)
    assert not torch.allclose(denoise(start, directions(2.0)), plain, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
def test_particles_are_resampled_and_spread_by_noise(random_backbone, start, embed, sampler):
    """Feynman-Kac steering toward bright images, resampled after every step but the last."""
    schedule = make_schedule(random_backbone.scheduler_config, 5, sampler)
    generator, ancestors = torch.Generator().manual_seed(1), []
    particles = replace(start, schedule=schedule).rows(torch.tensor([0, 1, 0, 1]))
    noise = torch.randn(particles.latents.shape, generator=generator)
    particles = replace(particles, latents=particles.latents + 0.1 * noise)
    plain = cfg_predictor(random_backbone, embed("a dog", 4), embed("", 4), SCALE)

    def brightness(latents):
        return random_backbone.codec.decode(latents).mean((1, 2, 3))

    def resample(before, following):
        if following.step == len(schedule):
            return None
        # The x0 of the step that was taken is what a potential is computed from.
        bright = brightness(following.prev_x0)
        weights = torch.softmax(1e6 * bright, 0)
        chosen = torch.multinomial(weights, 4, replacement=True, generator=generator)
        assert brightness(following.rows(chosen).prev_x0).mean() > bright.mean()
        ancestors.append(chosen.tolist())
        resampled = following.rows(chosen)
        assert torch.equal(resampled.prev_x0, following.prev_x0[chosen])
        noise = torch.randn(resampled.latents.shape, generator=generator)
        return replace(resampled, latents=resampled.latents + 0.01 * noise)

    steered = denoise(particles, plain, resample)
    assert len(ancestors) == len(schedule) - 1
    assert any(len(set(chosen)) < 4 for chosen in ancestors)
    assert len({row.sum().item() for row in steered}) == 4
    assert not torch.allclose(steered, denoise(particles, plain), atol=1e-2)


def test_the_null_embedding_is_optimised_within_a_prediction(random_backbone, schedule, embed):
    """Null-text inversion: the unconditional embedding is fitted to the path of the inversion."""
    generator = torch.Generator().manual_seed(2)
    clean = 0.5 * torch.randn(1, *random_backbone.latent_shape, generator=generator)
    conditional, null = embed("a dog in a forest", 1), embed("", 1).context
    first_step = 1
    with torch.no_grad():
        path = ddim_invert(random_backbone, schedule, clean, conditional, first_step)
    losses = []

    def predict(state):
        with torch.no_grad():
            plain = random_backbone.predict(state.latents, state.timesteps, conditional)
        leaf = null.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([leaf], lr=0.05)
        wanted = path[state.step + 1 - first_step]
        for _ in range(4):
            with torch.enable_grad():
                base = random_backbone.predict(state.latents, state.timesteps, Conditioning(leaf))
                output = apply_cfg(plain, base, SCALE)
                loss = (state.advance(output).latents - wanted).square().mean()
            losses.append((state.step, float(loss)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            base = random_backbone.predict(state.latents, state.timesteps, Conditioning(leaf))
            return apply_cfg(plain, base, SCALE)

    state = DenoisingState.start(schedule, path[0], first_step)
    optimised = denoise(state, predict)
    with torch.no_grad():
        unoptimised = denoise(
            state, cfg_predictor(random_backbone, conditional, Conditioning(null), SCALE)
        )
    first = [loss for step, loss in losses if step == first_step]
    assert first[-1] < first[0]
    assert (optimised - clean).square().mean() < (unoptimised - clean).square().mean()


@torch.no_grad()
def test_a_hook_travels_back_and_the_step_is_taken_again(random_backbone, start, embed):
    """FreeDoM's time travel: a state at an earlier step is denoised from there."""
    plain = cfg_predictor(random_backbone, embed("a dog"), embed(""), SCALE)
    generator, steps = torch.Generator().manual_seed(3), []

    def travel(before, following):
        steps.append(before.step)
        if steps.count(before.step) < 2 and before.step == 2:
            noise = torch.randn(following.latents.shape, generator=generator)
            return replace(before, latents=following.latents + 0.1 * noise)
        return None

    travelled = denoise(start, plain, travel)
    assert steps == [0, 1, 2, 2, 3, 4]
    assert not torch.allclose(travelled, denoise(start, plain), atol=1e-3)
