"""The arms of an evaluation: ways to make the same cases from the same starting noise.

- `plain`: the content alone, in words. Editing: inverted, and denoised again.
- `prompted`: the emotion asked for by its name. Editing: from the DDIM inversion of the image (`inversion`).
- `oracle`: the target's visual factors in words; what the text space can express at all.
- `muse`: the method; `muse-no-when` guides from the first step, `muse-no-which` by cross-entropy alone.
- `rejection`: asked for by name, the best of several by the judge. Editing: of several `sdedit` draws, for an
  inversion has no noise to draw again.
- `latent`: the guide's gradient on the latents instead of tokens (FreeDoM, Yu et al., arXiv 2303.09833).
- `sdedit-STRENGTH`: edits from the image's latents under that share of noise, the emotion asked for by name
  (Meng et al., arXiv 2108.01073).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.evaluation.cases import Case, sources_of
from muse.classifiers import FolderClassifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import Backbone, Conditioning, load_backbone
from muse.diffusion.inversion import asked_at, undo
from muse.diffusion.sampler import Schedule, ddim, guided, make_schedule, split
from muse.engine import MuseEngine
from muse.guidance.losses import convinced, inherent_mask, multi_emotion_loss, similar_mask
from muse.method import Method
from muse.mini.world.scenes import emotion_prompt
from muse.request import Request, Sample, Trace
from pipeline.planning.plan import derive_seed

BATCH = 16
STRENGTHS = (0.3, 0.5, 0.7, 0.9)
LATENT_SIZE = 0.1
"""Length of a `latent` step over the length of the classifier-free correction.

Chosen in the world before this one, and not chosen anew: by the judge there, on 16 generation requests of seed 7
(`--sweep latent`), it succeeded in 75, 81, 75, 69 % at 0.05, 0.1, 0.2, 0.4, and kept less of the content at 0.4.
"""
LATENT_TRAVELS = 2
"""How often `latent` takes each guided step, noising back in between.

With 2 it cost about what `muse` cost in the world before this one. By now `muse` costs half as much.
"""


@dataclass(frozen=True)
class Models:
    """What makes images, and the judge that `rejection` selects by."""

    backbone: Backbone
    guide: FolderClassifier
    judge: FolderClassifier
    clip: ClipSimilarity


@cache
def load(weights: Path, preview: str = "", preview_side: int = 0) -> Models:
    """The models in a folder laid out as the embedded weights are; the rest as in `load_backbone`."""
    return Models(
        load_backbone(weights / "diffusion", preview=preview, preview_side=preview_side),
        FolderClassifier.from_pretrained(weights / "guide"),
        FolderClassifier.from_pretrained(weights / "judge"),
        ClipSimilarity.from_pretrained(weights / "clip"),
    )


Arm = Callable[[Models, Method, Sequence[Case]], list[Sample]]


def plain(case: Case) -> str:
    return case.prompt


def prompted(case: Case) -> str:
    return emotion_prompt(case.prompt, case.emotion)


def request(case: Case, prompt: str) -> Request:
    return Request(prompt, case.target, case.seed, image=case.source)


def by_engine(words: Callable[[Case], str], **changes: Any) -> Arm:
    """The engine on the cases in these words, its method changed so."""

    def make(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
        engine = MuseEngine(models.backbone, models.guide, models.clip, replace(method, **changes))
        return engine.run([request(case, words(case)) for case in cases])

    return make


@torch.inference_mode()
def verdicts(models: Models, cases: Sequence[Case], pixels: Tensor) -> Tensor:
    """The judge's confidence in the target of each image of pixels (b, 3, h, w) in [0, 1], (b,)."""
    goal = torch.tensor([case.target.weights for case in cases])
    return (models.judge.probs(pixels).p * goal).sum(-1)


def best_of(models: Models, method: Method, cases: Sequence[Case], draws: int) -> list[Sample]:
    """Of `draws` samples a case the one in which the judge is surest of the target.

    All of them are paid for: its trace has the forwards of all. There is nothing else to add, for none of them asks
    the guide.
    """
    once = ARMS["prompted"] if cases[0].source is None else ARMS[f"sdedit-{max(STRENGTHS)}"]
    best: list[Sample] = []
    surest = torch.full((len(cases),), -1.0)
    spent = [0] * len(cases)
    for draw in range(draws):
        # The first draw has the noise of all other arms.
        seeds = [derive_seed(case.seed, "rejection", draw) if draw else case.seed for case in cases]
        tried = once(
            models, method, [replace(case, seed=s) for case, s in zip(cases, seeds, strict=True)]
        )
        spent = [total + sample.trace.forwards for total, sample in zip(spent, tried, strict=True)]
        sure = verdicts(models, cases, pixels_of(tried))
        better = (sure > surest).tolist()
        best = [
            new if wins else old
            for new, old, wins in zip(tried, best or tried, better, strict=True)
        ]
        surest = torch.maximum(sure, surest)
    return [
        replace(sample, trace=replace(sample.trace, forwards=total))
        for sample, total in zip(best, spent, strict=True)
    ]


def noise_of(models: Models, cases: Sequence[Case]) -> tuple[Tensor, list[torch.Generator]]:
    """The starting noise of each case, as the engine draws it, and the generators that drew it."""
    generators = [torch.Generator().manual_seed(case.seed) for case in cases]
    shape = models.backbone.latent_shape
    return torch.stack(
        [torch.randn(shape, generator=generator) for generator in generators]
    ), generators


def texts_of(models: Models, prompts: list[str]) -> Conditioning:
    return models.backbone.embed(models.backbone.text.plain(prompts))


def schedule_of(models: Models, method: Method) -> Schedule:
    return make_schedule(models.backbone.scheduler_config, method.steps, method.sampler)


def predict(
    models: Models, schedule: Schedule, index: Tensor, latents: Tensor, context: Conditioning
) -> Tensor:
    return models.backbone.predict(latents, schedule.timesteps[index], context)


def finished(models: Models, latents: Tensor, forwards: int, gradients: int = 0) -> list[Sample]:
    pixels = (models.backbone.codec.decode(latents).clamp(0, 1) * 255).round().to(torch.uint8)
    return [
        Sample(image.permute(1, 2, 0).contiguous(), Trace(forwards=forwards, gradients=gradients))
        for image in pixels
    ]


@torch.no_grad()
def sdedit(models: Models, method: Method, cases: Sequence[Case], strength: float) -> list[Sample]:
    """Noise the image's latents to `strength` of the steps, and denoise under the prompt that names the emotion."""
    schedule = schedule_of(models, method)
    start = round((1 - strength) * len(schedule))
    context, base = (
        texts_of(models, [prompted(case) for case in cases]),
        texts_of(models, [""] * len(cases)),
    )
    clean, noise = models.backbone.codec.encode(sources_of(cases)), noise_of(models, cases)[0]
    alpha, sigma = schedule.level(torch.full((len(cases),), start), clean)
    latents = alpha * clean + sigma * noise
    for i in range(start, len(schedule)):
        index = torch.full((len(cases),), i)
        conditional, unconditional = (
            predict(models, schedule, index, latents, words) for words in (context, base)
        )
        mixed = guided(conditional, unconditional, method.guidance_scale)
        x0, _ = split(mixed, latents, *schedule.level(index, latents), schedule.prediction)
        latents = ddim(schedule, index, latents, x0, x0)
    return finished(models, latents, 2 * (len(schedule) - start))


@torch.no_grad()
def latent(
    models: Models, method: Method, cases: Sequence[Case], size: float = LATENT_SIZE
) -> list[Sample]:
    """MUSE's loss, its gradient taken in the latents: a plain loop after FreeDoM (arXiv 2303.09833, algorithm 2).

    z_{t-1} = DDIM(z_t) - size |scale (eps_c - eps_u)| g / |g|, with g the gradient of the loss of the one-step
    x0 in z_t; then noise back to t and take the step again (its time travel). A row whose guide is convinced
    gets no push. The same steps are guided as in `muse` (until `until`), from the first on. A push counts as a reading:
    through the network to the latents instead of the tokens, which on the embedded model costs the same to 1 %.
    """
    schedule = schedule_of(models, method)
    goal = torch.tensor([case.target.weights for case in cases])
    similar = torch.tensor([similar_mask(case.target) for case in cases])
    context, base = (
        texts_of(models, [plain(case) for case in cases]),
        texts_of(models, [""] * len(cases)),
    )
    latents, generators = noise_of(models, cases)
    scale, start, forwards, gradients, inherent = method.guidance_scale, 0, 0, 0, None
    if cases[0].source is not None:
        scale, start = (
            method.edit_guidance_scale,
            max(1, round((1 - method.strength) * len(schedule))),
        )
        images = sources_of(cases)
        latents = models.backbone.codec.encode(images)
        for i in reversed(range(start, len(schedule))):
            index = torch.full((len(cases),), i)
            output = predict(models, schedule, asked_at(schedule, index), latents, context)
            latents = undo(schedule, index, latents, output)
        inherent = inherent_mask(models.guide.probs(images).p, goal)
        forwards = len(schedule) - start
    for i in range(start, len(schedule)):
        index, (alpha, sigma) = (
            torch.full((len(cases),), i),
            (float(schedule.alphas[i]), float(schedule.sigmas[i])),
        )
        alpha_next, sigma_next = float(schedule.alphas[i + 1]), float(schedule.sigmas[i + 1])
        pushed = i < method.until * len(schedule)
        # Pure noise cannot be travelled back to: it would be another start.
        for travel in range(LATENT_TRAVELS if pushed and alpha > 0 else 1):
            if travel:
                fresh = torch.stack(
                    [torch.randn(latents.shape[1:], generator=g) for g in generators]
                )
                kept = alpha / alpha_next
                latents = (
                    kept * latents + max(0.0, sigma**2 - (kept * sigma_next) ** 2) ** 0.5 * fresh
                )
            with torch.set_grad_enabled(pushed):
                leaf = latents.detach().requires_grad_(pushed)
                conditional = predict(models, schedule, index, leaf, context)
                push: Tensor | float = 0.0
                if pushed:
                    probs = models.guide.probs(
                        models.backbone.codec.preview(
                            split(conditional, leaf, alpha, sigma, schedule.prediction)[0]
                        )
                    )
                    inherent = inherent_mask(probs.p, goal) if inherent is None else inherent
                    loss = multi_emotion_loss(probs, goal, inherent, similar, *method.which)
                    (push,) = torch.autograd.grad(loss.sum(), leaf)
                    sure = [
                        convinced(
                            case.target,
                            p,
                            probs.multi_label,
                            rival,
                            method.inherent_weight,
                            method.enough,
                        )
                        for case, p, rival in zip(
                            cases, probs.p.tolist(), inherent.argmax(1).tolist(), strict=True
                        )
                    ]
            conditional = conditional.detach()
            unconditional = predict(models, schedule, index, latents, base)
            mixed = guided(conditional, unconditional, scale)
            x0, _ = split(mixed, latents, alpha, sigma, schedule.prediction)
            following = ddim(schedule, index, latents, x0, x0)
            if isinstance(push, Tensor):
                length = (
                    size * scale * norm(conditional - unconditional) / norm(push).clamp(min=1e-12)
                )
                following = following - length * ~torch.tensor(sure).view(-1, 1, 1, 1) * push
            latents = following
            forwards += 3 if pushed else 2
            gradients += pushed
    return finished(models, latents, forwards, gradients)


def norm(rows: Tensor) -> Tensor:
    """The Euclidean length of each row of (b, c, h, w), as (b, 1, 1, 1)."""
    return rows.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


PLAIN: dict[str, Any] = {"timing": "never"}
ARMS: dict[str, Arm] = {
    "plain": by_engine(plain, **PLAIN),
    "prompted": by_engine(prompted, **PLAIN),
    "oracle": by_engine(lambda case: case.oracle, **PLAIN),
    "muse": by_engine(plain),
    "muse-no-when": by_engine(plain, timing="fixed", timing_level=0.0),
    "muse-no-which": by_engine(plain, inherent_weight=0.0, similar_weight=0.0, balance=1.0),
    "latent": latent,
    **{f"sdedit-{strength}": partial(sdedit, strength=strength) for strength in STRENGTHS},
}
NAMES = (*ARMS, "rejection")
"""Every arm. `rejection` needs a number of draws beside its cases."""


def pixels_of(samples: Sequence[Sample]) -> Tensor:
    """Float (b, 3, h, w) in [0, 1] of finished samples; a failed one stops the evaluation."""
    for sample in samples:
        if sample.pixels is None:
            raise RuntimeError(f"a request failed: {sample.failure}")
    return (
        torch.stack([s.pixels for s in samples if s.pixels is not None]).permute(0, 3, 1, 2).float()
        / 255
    )


def in_batches(
    make: Arm, models: Models, method: Method, cases: Sequence[Case]
) -> tuple[Tensor, list[Sample], float]:
    """The images, the samples with their traces, and the seconds of one way to make the cases."""
    began, samples = time.monotonic(), list[Sample]()
    for start in range(0, len(cases), BATCH):
        samples += make(models, method, cases[start : start + BATCH])
    return pixels_of(samples), samples, time.monotonic() - began


def run_arm(
    weights: Path, method: Method, arm: str, cases: Sequence[Case], draws: int = 1
) -> tuple[Tensor, list[Sample], float]:
    """`in_batches` for the arm of that name; `draws` is of `rejection` alone."""
    make = partial(best_of, draws=draws) if arm == "rejection" else ARMS[arm]
    return in_batches(make, load(weights), method, cases)
