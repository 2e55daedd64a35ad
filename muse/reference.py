"""The method as it reads in the paper, one image at a time and nothing clever. Read this first.

`muse.engine` makes the same images faster; the tests hold it to this, and the benchmark counts from it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from muse.classifiers import EmotionClassifier, resize
from muse.classifiers.clip import ClipSimilarity, similarity
from muse.diffusion.backbones.base import Backbone
from muse.diffusion.inversion import asked_at, undo
from muse.diffusion.sampler import guided, make_schedule, split
from muse.guidance.losses import convinced, inherent_mask, multi_emotion_loss, similar_mask
from muse.guidance.optimizer import CLIP
from muse.guidance.timing import timing_of
from muse.method import Method
from muse.request import Request


def muse(
    backbone: Backbone,
    guide: EmotionClassifier,
    clip: ClipSimilarity,
    method: Method,
    request: Request,
) -> Tensor:
    """Final latents (1, c, h, w) of one request. Token space `input`, no augmentation, the VAE in full."""
    schedule = make_schedule(backbone.scheduler_config, method.steps, method.sampler)
    timing = timing_of(method)
    device = backbone.device
    target = torch.tensor([request.target.weights], device=device)
    similar = torch.tensor([similar_mask(request.target)], device=device)
    prompts = backbone.text.open([request.prompt], [request.target], method.tokens, method.lead)
    plain = backbone.embed(backbone.text.plain([request.prompt]))
    negative = backbone.embed(backbone.text.plain([request.negative_prompt]))

    if request.image is None:
        noise = torch.randn(
            1, *backbone.latent_shape, generator=torch.Generator().manual_seed(request.seed)
        )
        latents = noise.to(device)
        inherent, first, scale = torch.zeros_like(target), 0, method.guidance_scale
    else:
        side = backbone.latent_shape[-1] * backbone.codec.pixels_per_latent
        image = resize(request.image[None].to(device), side)
        latents = backbone.codec.encode(image)
        inherent = inherent_mask(guide.probs(image).p, target)
        first, scale = (
            max(1, round((1 - method.strength) * len(schedule))),
            method.edit_guidance_scale,
        )
        for step in reversed(range(first, len(schedule))):
            index = torch.tensor([step])
            output = backbone.predict(
                latents, schedule.timesteps[asked_at(schedule, index)].to(device), plain
            )
            latents = undo(schedule, index, latents, output)

    tokens = method.initial_scale * backbone.text.start([request.target], method.tokens)
    mean, spread, updates = torch.zeros_like(tokens), torch.zeros_like(tokens), 0
    best_tokens, started, curve = tokens, False, []
    before = torch.full_like(latents, float("nan"))
    for step in range(first, len(schedule)):
        index, timestep = torch.tensor([step]), schedule.timesteps[step : step + 1].to(device)
        alpha, sigma = schedule.level(index, latents)

        def x0_of(output: Tensor, latents=latents, alpha=alpha, sigma=sigma) -> Tensor:
            return split(output, latents, alpha, sigma, schedule.prediction)[0]

        if timing is not None and not started:  # WHEN
            seen = backbone.codec.decode(x0_of(backbone.predict(latents, timestep, plain)))
            bare = backbone.codec.decode(x0_of(backbone.predict(latents, timestep, negative)))
            curve.append(
                float(
                    similarity(
                        clip.image(bare if timing.bare else seen), clip.text([request.prompt])
                    )
                )
            )
            started = timing.starts(curve, step / len(schedule))
            if started and request.image is None:
                inherent = inherent_mask(guide.probs(seen).p, target)

        if started and step < method.until * len(schedule):  # HOW
            lowest = float("inf")
            for _ in range(method.iterations * len(request.target.members)):
                with torch.enable_grad():
                    leaf = tokens.clone().requires_grad_(True)
                    output = backbone.predict(latents, timestep, backbone.embed(prompts, leaf))
                    probs = guide.probs(backbone.codec.decode(x0_of(output)))
                    loss = multi_emotion_loss(
                        probs, target, inherent, similar, *method.which
                    )  # WHICH
                    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
                if float(loss) < lowest:
                    lowest, best_tokens = float(loss), tokens
                rival = int(inherent.argmax())
                p, weight = probs.p[0].tolist(), method.inherent_weight
                if convinced(request.target, p, probs.multi_label, rival, weight, method.enough):
                    break
                relative, updates = gradient * backbone.text.scale, updates + 1
                relative = relative * min(1.0, CLIP / float(relative.norm()))
                mean, spread = 0.9 * mean + 0.1 * relative, 0.99 * spread + 0.01 * relative.square()
                aim = (mean / (1 - 0.9**updates)) / ((spread / (1 - 0.99**updates)).sqrt() + 1e-12)
                tokens = tokens - method.learning_rate * backbone.text.scale * aim

        context = backbone.embed(prompts, best_tokens) if started else plain
        output = guided(
            backbone.predict(latents, timestep, context),
            backbone.predict(latents, timestep, negative),
            scale,
        )
        x0 = x0_of(output)
        latents, before = schedule.step(schedule, index, latents, x0, before), x0
    return latents
