"""A batch in lockstep: what the engine's own pace for every row is measured against.

A plain batched loop after `muse.reference`, which it equals row for row. All rows stand at the same step, and all of
them take part in every pass until the last one is convinced or out of readings; a row that has stopped learns nothing
more. It saves what costs a plain loop nothing to save (the base output once a step, a reading's output for the
denoising, the cheap decoder), so that what it takes longer than the engine is for rows that are carried along, and
for gradients that the engine does not ask for because the guide is convinced already.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from muse.classifiers import EmotionClassifier
from muse.classifiers.clip import ClipSimilarity, similarity
from muse.diffusion.backbones.base import Backbone, Conditioning
from muse.diffusion.sampler import guided, make_schedule, split
from muse.emotions.probabilities import Probabilities
from muse.guidance.losses import convinced, inherent_mask, multi_emotion_loss, similar_mask
from muse.guidance.optimizer import TokenState, read
from muse.guidance.timing import timing_of
from muse.method import Method
from muse.request import Request


def chosen(rows: Tensor, yes: Conditioning, no: Conditioning) -> Conditioning:
    """For each row, by bool (b,), one conditioning or the other."""
    pooled = yes.pooled
    if pooled is not None and no.pooled is not None:
        pooled = torch.where(rows[:, None], pooled, no.pooled)
    return Conditioning(torch.where(rows[:, None, None], yes.context, no.context), pooled)


@torch.no_grad()
def lockstep(
    backbone: Backbone,
    guide: EmotionClassifier,
    clip: ClipSimilarity,
    method: Method,
    requests: Sequence[Request],
) -> Tensor:
    """Final latents (b, c, h, w) of requests to generate.

    Token space `input`, no augmentation, and tokens that are carried from step to step, as with `warm_start`.
    """
    schedule = make_schedule(backbone.scheduler_config, method.steps, method.sampler)
    timing = timing_of(method)
    device, count, text = backbone.device, len(requests), backbone.text
    prompts, targets = (
        [request.prompt for request in requests],
        [request.target for request in requests],
    )
    target = torch.tensor([each.weights for each in targets], device=device)
    similar = torch.tensor([similar_mask(each) for each in targets], device=device)
    opened = text.open(prompts, targets, method.tokens, method.lead)
    plain = backbone.embed(text.plain(prompts))
    negative = backbone.embed(text.plain([request.negative_prompt for request in requests]))
    words = clip.text(prompts)
    noise = [
        torch.randn(backbone.latent_shape, generator=torch.Generator().manual_seed(request.seed))
        for request in requests
    ]
    latents = torch.stack(noise).to(device)
    state = TokenState.start(method.initial_scale * text.start(targets, method.tokens), text.scale)
    best, inherent, before = (
        state.tokens.clone(),
        torch.zeros_like(target),
        torch.full_like(latents, float("nan")),
    )
    started, curves = (
        torch.zeros(count, dtype=torch.bool, device=device),
        [list[float]() for _ in requests],
    )

    limits = method.iterations * torch.tensor(
        [len(each.members) for each in targets], device=device
    )

    def loss_of(probs: Probabilities) -> Tensor:
        return multi_emotion_loss(probs, target, inherent, similar, *method.which)

    for step in range(len(schedule)):
        index = torch.full((count,), step)
        timesteps = schedule.timesteps[index].to(device)
        alpha, sigma = schedule.level(index, latents)
        output, known = torch.zeros_like(latents), torch.zeros_like(started)

        if timing is not None and not started.all():  # WHEN
            seen = backbone.predict(latents, timesteps, plain)
            pixels = backbone.codec.preview(
                split(seen, latents, alpha, sigma, schedule.prediction)[0]
            )
            looked = pixels
            if timing.bare:
                bare = backbone.predict(latents, timesteps, negative)
                looked = backbone.codec.preview(
                    split(bare, latents, alpha, sigma, schedule.prediction)[0]
                )
            alike = similarity(clip.image(looked), words).tolist()
            rivals = inherent_mask(guide.probs(pixels).p, target)
            for k in (~started).nonzero().flatten().tolist():
                curves[k].append(alike[k])
                if timing.starts(curves[k], step / len(schedule)):
                    started[k], inherent[k] = True, rivals[k]
            output, known = seen, ~started

        going = started & (step < method.until * len(schedule))  # HOW
        lowest = torch.full((count,), torch.inf, device=device)
        for number in range(int(limits.max())):
            going &= number < limits
            if not going.any():
                break
            reading = read(
                backbone,
                schedule,
                index,
                latents,
                state.tokens,
                lambda tokens: backbone.embed(opened, tokens),
                guide.probs,
                loss_of,
            )
            better = going & (reading.loss < lowest)
            lowest, known = torch.where(better, reading.loss, lowest), known | better
            best[better], output[better] = state.tokens[better], reading.output[better]
            rows = zip(targets, reading.probs.p.tolist(), inherent.argmax(1).tolist(), strict=True)
            weight, multi_label = method.inherent_weight, reading.probs.multi_label
            sure = [
                convinced(goal, p, multi_label, rival, weight, method.enough)
                for goal, p, rival in rows
            ]
            going &= ~torch.tensor(sure, device=device)
            state.update(going.nonzero().flatten(), reading.gradient[going], method.learning_rate)

        if known.all():
            base = backbone.predict(latents, timesteps, negative)
        else:
            told = chosen(started, backbone.embed(opened, best), plain)
            both = backbone.predict(
                latents.repeat(2, 1, 1, 1), timesteps.repeat(2), Conditioning.cat([told, negative])
            )
            output, base = (
                torch.where(known[:, None, None, None], output, both[:count]),
                both[count:],
            )
        x0, _ = split(
            guided(output, base, method.guidance_scale), latents, alpha, sigma, schedule.prediction
        )
        latents, before = schedule.step(schedule, index, latents, x0, before), x0
    return latents
