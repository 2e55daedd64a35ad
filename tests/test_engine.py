"""The engine on random weights: what holds whatever the models are."""

import copy

import pytest
import torch

from muse.emotions import Target
from muse.engine import MuseEngine, Request
from muse.inversion import invert
from muse.method import Method
from muse.sampler import split, step

QUICK = Method(steps=4, iterations=1, timing="fixed", timing_level=0.0, until=1.0)


@pytest.fixture(scope="module")
def random_clip(tokenizer):
    from jobs.mini_models import build_clip
    from muse.similarity import ClipSimilarity

    torch.manual_seed(2)
    return ClipSimilarity(build_clip(tokenizer), tokenizer, 64, [0.5] * 3, [0.5] * 3)


@pytest.fixture
def make(random_backbone, random_guide, random_clip):
    def _make(requests, method=QUICK, backbone=random_backbone):
        return MuseEngine(backbone, random_guide, random_clip, method).run(requests)

    return _make


def _request(seed=1, emotion="awe", image=None, prompt="a dog in a forest"):
    return Request(prompt, Target.of(emotion), seed, image=image)


def test_the_same_batch_gives_the_same_pixels_and_traces(make):
    requests = [_request(1), _request(2, image=torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)))]
    first, second = make(requests), make(requests)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.pixels, b.pixels)
        assert a.trace == b.trace


def test_seed_target_and_prompt_each_change_the_picture(make):
    samples = make([_request(1), _request(2), _request(1, "fear"), _request(1, prompt="a cat by a pond")])
    pixels = [sample.pixels for sample in samples]
    assert all(not torch.equal(pixels[0], other) for other in pixels[1:])


def test_a_trace_tells_what_was_done(make):
    (sample,) = make([_request()])
    trace = sample.trace
    assert trace.start_step == 0
    assert len(trace.similarity) == 1
    assert trace.inherent is not None
    assert trace.inherent != "awe"
    assert trace.iterations == len(trace.loss) == len(trace.confidence) == 4
    # Conditional and unconditional at each step, forward and backward at each reading, and one to decide the start.
    assert trace.forwards == 4 * 2 + 4 * 2 + 1


def test_without_guidance_it_is_plain_ddim(make, random_backbone):
    method = Method(steps=4, timing="never")
    (sample,) = make([_request()], method)
    tokenizer, schedule = random_backbone.tokenizer, random_backbone.schedule(4)
    ids = tokenizer(["a dog in a forest", ""], padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        context = random_backbone.embed(ids)
        latents = torch.randn(1, *random_backbone.latent_shape, generator=torch.Generator().manual_seed(1))
        for i, told in enumerate(schedule.timesteps):
            cond, base = random_backbone.predict(latents.expand(2, -1, -1, -1), told, context)[:, None]
            mixed = base + method.guidance_scale * (cond - base)
            x0, eps = split(mixed, latents, float(schedule.alphas[i]), float(schedule.sigmas[i]), schedule.prediction)
            latents = step(x0, eps, float(schedule.alphas[i + 1]), float(schedule.sigmas[i + 1]))
        pixels = random_backbone.decode(latents)[0].permute(1, 2, 0).clamp(0, 1) * 255
    assert (pixels - sample.pixels).abs().max() <= 1.0
    assert sample.trace.iterations == 0


def test_a_convinced_guide_leaves_the_tokens_alone(make):
    (sample,) = make([_request()], Method(steps=4, timing="fixed", timing_level=0.0, enough=0.0))
    assert sample.trace.iterations == 0


def test_a_row_that_turns_non_finite_fails_alone(make):
    broken = torch.full((3, 64, 64), float("nan"))
    sound, failed, also_sound = make([_request(1), _request(2, image=broken), _request(3)])
    assert failed.pixels is None
    assert "non-finite" in failed.failure
    alone = make([_request(1), _request(2, image=torch.zeros(3, 64, 64)), _request(3)])
    for row, sample in ((0, sound), (2, also_sound)):
        # Two levels of 255: without the failed row a forward is smaller, and float sums round differently.
        assert (sample.pixels.int() - alone[row].pixels.int()).abs().max() <= 2


def test_inversion_leads_back_at_guidance_one(random_backbone):
    """With ever more steps DDIM and its inverse are the same path; the error must fall with the steps."""
    backbone = copy.deepcopy(random_backbone)
    torch.manual_seed(5)
    clean = torch.randn(1, *backbone.latent_shape) * 0.5
    ids = backbone.tokenizer(["a dog in a forest"], padding="max_length", return_tensors="pt").input_ids
    errors = []
    with torch.no_grad():
        context = backbone.embed(ids)
        for steps in (10, 40):
            schedule = backbone.schedule(steps)
            start = steps // 4
            latents = invert(backbone, clean, context, schedule, start)
            for i in range(start, steps):
                alpha, sigma = float(schedule.alphas[i]), float(schedule.sigmas[i])
                output = backbone.predict(latents, schedule.timesteps[i], context)
                x0, eps = split(output, latents, alpha, sigma, schedule.prediction)
                latents = step(x0, eps, float(schedule.alphas[i + 1]), float(schedule.sigmas[i + 1]))
            errors.append(float((latents - clean).square().mean().sqrt() / clean.std()))
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.1
