"""The arms of an evaluation: ways to make the same cases from the same starting noise.

- `plain`: the prompt with the content alone. Editing: inverted, and denoised again.
- `prompted`: the prompt names the emotion. Editing: from the DDIM inversion of the image.
- `oracle`: the prompt has the target's visual factors: what the text space can express at all.
- `muse`: the method. `muse-no-when` guides from the first step, `muse-no-which` by cross-entropy
  alone.
- `rejection`: the prompt names the emotion; of several samples the best by the judge. Editing: of
  several `sdedit` samples, since an inversion has no noise to draw again.
- `latent`: the gradient of the guide in the latents instead of tokens (FreeDoM, Yu et al., arXiv
  2303.09833).
- `sdedit-STRENGTH`: edits from the image's latents with that share of noise, the prompt names the
  emotion (Meng et al., arXiv 2108.01073).
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
from jobs.evaluation.latent_gradient import LatentGradient
from muse.classifiers import FolderClassifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import Backbone, Conditioning, load_backbone
from muse.diffusion.denoising import DenoisingState, cfg_predictor, denoise
from muse.diffusion.inversion import ddim_invert
from muse.diffusion.sampler import Schedule, ddim
from muse.diffusion.schedules import schedule_of
from muse.engine import MuseEngine
from muse.guidance.losses import inherent_mask
from muse.method import Method
from muse.mini.world.scenes import emotion_prompt
from muse.request import Request, Sample, Trace
from pipeline.planning.plan import derive_seed

BATCH = 16
STRENGTHS = (0.3, 0.5, 0.7, 0.9)
LATENT_SIZE = 0.1
"""Length of a move of `latent` over the length of the classifier-free correction.

Chosen with an earlier embedded model, and not chosen anew: there, on 16 generation requests of seed
7 (`--sweep latent`), it succeeded by the judge in 75, 81, 75, 69 % at 0.05, 0.1, 0.2, 0.4, and kept
less of the content at 0.4.
"""


@dataclass(frozen=True)
class Models:
    """What makes images, and the judge that `rejection` selects by."""

    backbone: Backbone
    guide: FolderClassifier
    judge: FolderClassifier
    clip: ClipSimilarity


@cache
def load(weights: Path, tiny_vae: str = "") -> Models:
    """Models in a folder laid out as the embedded weights; the rest as in `load_backbone`."""
    return Models(
        load_backbone(weights / "diffusion", tiny_vae=tiny_vae),
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
    """The engine on the cases with these prompts, and with these changes of the method."""

    def make(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
        engine = MuseEngine(models.backbone, models.guide, models.clip, method.replace(**changes))
        return engine.run([request(case, words(case)) for case in cases])

    return make


@torch.inference_mode()
def verdicts(models: Models, cases: Sequence[Case], pixels: Tensor) -> Tensor:
    """The judge's confidence (b,) in the target of each image of pixels (b, 3, h, w) in [0, 1]."""
    goal = torch.tensor([case.target.weights for case in cases])
    return (models.judge.probs(pixels).p * goal).sum(-1)


def best_of(models: Models, method: Method, cases: Sequence[Case], draws: int) -> list[Sample]:
    """Of `draws` samples of each case the one of whose target the judge is most confident.

    Its trace has the network evaluations of all draws. There is nothing else to add up, since none
    of them evaluates the guide.
    """
    arm = ARMS["prompted"] if cases[0].source is None else ARMS[f"sdedit-{max(STRENGTHS)}"]
    best: list[Sample] = []
    highest = torch.full((len(cases),), -1.0)
    nfe = [0] * len(cases)
    for draw in range(draws):
        samples = arm(models, method, [_redrawn(case, draw) for case in cases])
        nfe = [total + sample.trace.nfe for total, sample in zip(nfe, samples, strict=True)]
        confidence = verdicts(models, cases, pixels_of(samples))
        is_better = (confidence > highest).tolist()
        choices = zip(samples, best or samples, is_better, strict=True)
        best = [new if better else old for new, old, better in choices]
        highest = torch.maximum(confidence, highest)
    return [
        replace(sample, trace=replace(sample.trace, nfe=total))
        for sample, total in zip(best, nfe, strict=True)
    ]


def _redrawn(case: Case, draw: int) -> Case:
    """The case with the noise of its draw; the first draw has that of all other arms."""
    return replace(case, seed=derive_seed(case.seed, "rejection", draw)) if draw else case


def noise_of(models: Models, cases: Sequence[Case]) -> tuple[Tensor, list[torch.Generator]]:
    """The cases' starting noise (b, c, h, w), as the engine draws it, and their generators."""
    generators = [torch.Generator().manual_seed(case.seed) for case in cases]
    shape = models.backbone.latent_shape
    noise = [torch.randn(shape, generator=generator) for generator in generators]
    return torch.stack(noise), generators


def embed(models: Models, prompts: list[str]) -> Conditioning:
    return models.backbone.embed(models.backbone.text.plain(prompts))


def embed_negative(models: Models, count: int) -> Conditioning:
    """The conditioning of `count` rows without a negative prompt."""
    return models.backbone.embed(models.backbone.text.negative([None] * count))


def ddim_schedule(models: Models, method: Method) -> Schedule:
    """The method's schedule with DDIM's steps, as both baselines take them."""
    return replace(schedule_of(models.backbone.scheduler_config, method), step=ddim, scheduler=None)


def finished(models: Models, latents: Tensor, nfe: int, guide_gradients: int = 0) -> list[Sample]:
    """Samples of clean latents (b, c, h, w), each with this cost in its trace."""
    pixels = (models.backbone.codec.decode(latents).clamp(0, 1) * 255).round().to(torch.uint8)
    return [
        Sample(image.permute(1, 2, 0).contiguous(), Trace(nfe=nfe, guide_gradients=guide_gradients))
        for image in pixels
    ]


@torch.no_grad()
def sdedit(models: Models, method: Method, cases: Sequence[Case], strength: float) -> list[Sample]:
    """Add noise to the image's latents, and denoise under the prompt that names the emotion.

    Args:
        strength: share of the steps that are taken, in (0, 1].
    """
    schedule = ddim_schedule(models, method)
    start = round((1 - strength) * len(schedule))
    clean, noise = models.backbone.codec.encode(sources_of(cases)), noise_of(models, cases)[0]
    alpha, sigma = schedule.level(torch.full((len(cases),), start), clean)
    predict = cfg_predictor(
        models.backbone,
        embed(models, [prompted(case) for case in cases]),
        embed_negative(models, len(cases)),
        method.scale(editing=False),
    )
    state = DenoisingState.start(schedule, alpha * clean + sigma * noise, start)
    return finished(models, denoise(state, predict), nfe=2 * (len(schedule) - start))


@torch.no_grad()
def latent(
    models: Models, method: Method, cases: Sequence[Case], size: float = LATENT_SIZE
) -> list[Sample]:
    """MUSE's loss, its gradient taken in the latents (see `jobs.evaluation.latent_gradient`).

    A gradient in the latents costs the same as one in the tokens, on the embedded model to 1 %.

    Args:
        size: length of a move over the length of the classifier-free correction.
    """
    schedule, editing = ddim_schedule(models, method), cases[0].source is not None
    noise, generators = noise_of(models, cases)
    targets = [case.target for case in cases]
    hooks = LatentGradient(
        models.backbone,
        models.guide,
        method,
        targets,
        embed(models, [plain(case) for case in cases]),
        embed_negative(models, len(cases)),
        method.scale(editing),
        size,
        generators,
    )
    state = DenoisingState.start(schedule, schedule.initial(noise))
    if editing:
        images, start = sources_of(cases), max(1, round((1 - method.strength) * len(schedule)))
        goal = torch.tensor([case.target.weights for case in cases])
        hooks.inherent = inherent_mask(models.guide.probs(images).p, goal)
        clean = models.backbone.codec.encode(images)
        path = ddim_invert(models.backbone, schedule, clean, hooks.conditional, start)
        state, hooks.nfe = DenoisingState.start(schedule, path[0], start), len(path) - 1
    latents = denoise(state, hooks.predict, hooks.on_step)
    return finished(models, latents, hooks.nfe, hooks.gradients)


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
    pixels = []
    for sample in samples:
        if sample.pixels is None:
            raise RuntimeError(f"a request failed: {sample.failure}")
        pixels.append(sample.pixels)
    return torch.stack(pixels).permute(0, 3, 1, 2).float() / 255


def in_batches(
    make: Arm, models: Models, method: Method, cases: Sequence[Case]
) -> tuple[Tensor, list[Sample], float]:
    """Make the cases with an arm: the images, the samples with their traces, and the seconds."""
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
