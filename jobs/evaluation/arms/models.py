"""What every arm works with: the models, the prompts of a case, its noise, and finished samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.evaluation.cases import Case, sources_of
from muse.classifiers import FolderClassifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import Backbone, Conditioning, load_backbone
from muse.diffusion.denoising import DenoisingState
from muse.diffusion.devices import AUTO
from muse.diffusion.editing import first_edit_step
from muse.diffusion.files.hub import configs_of, family_of
from muse.diffusion.inversion import ddim_invert
from muse.diffusion.schedule.sampler import Schedule, ddim
from muse.diffusion.schedule.schedules import backbone_schedule
from muse.method import Method
from muse.request import Request, Sample, Trace
from pipeline.errors import UserError

OTHER_GUIDANCE = ("FluxPipeline", "ZImagePipeline")
"""Families that are given the scale of guidance, or count it from 0."""


@dataclass(frozen=True)
class Models:
    """What makes images, and the judge that `best-of-n` selects by."""

    backbone: Backbone
    guide: FolderClassifier
    judge: FolderClassifier
    clip: ClipSimilarity


@cache
def load(weights: Path, tiny_vae: str = "", dtype: str = AUTO) -> Models:
    """Models in a folder laid out as the embedded weights; the rest as in `load_backbone`.

    Args:
        dtype: of the diffusion model; classifiers and CLIP are float32.

    Raises:
        UserError: the rivals cannot be run on the diffusion model.
    """
    refuse_other_guidance(weights / "diffusion")
    return Models(
        load_backbone(weights / "diffusion", tiny_vae=tiny_vae, dtype=dtype),
        FolderClassifier.from_pretrained(weights / "guide"),
        FolderClassifier.from_pretrained(weights / "judge"),
        ClipSimilarity.from_pretrained(weights / "clip"),
    )


def refuse_other_guidance(model: Path) -> None:
    """Refuse a diffusion model whose guidance differs from that of the rivals' own loops.

    They evaluate the network with and without the prompt, and count the scale from 1.

    Raises:
        UserError: with the family.
    """
    network, _ = configs_of(model)
    family = family_of(model)
    is_given_scale = network.get("time_cond_proj_dim") is not None
    if family in OTHER_GUIDANCE or is_given_scale:
        raise UserError(
            f"{model}: the arms cannot be compared on a {family} whose network is given the scale "
            "of guidance, or counts it from 0; give a Stable Diffusion model that is not distilled"
        )


Make = Callable[[Models, Method, Sequence[Case]], list[Sample]]


@dataclass(frozen=True)
class Arm:
    """One way to make cases.

    Attributes:
        make: makes cases of one task, all at once.
        images: decoded for each case, the one that is kept among them.
        changes: of the method with which `make` works, as its costs are counted by it.
        tokens: whether each evaluation by the guide has tokens of its own, as those of the engine.
        name: of the arm and its setting, by which its samples are kept and told of.
    """

    make: Make
    images: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)
    tokens: bool = True
    name: str = ""

    def __call__(self, models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
        return self.make(models, method.replace(**self.changes), cases)


def plain(case: Case) -> str:
    """The prompt with the content alone."""
    return case.prompt


def named(case: Case) -> str:
    """The prompt that names the emotion, or both of a mixture."""
    return f"{case.prompt}, evoking {case.target.words()}"


@contextmanager
def from_words(models: Models) -> Iterator[None]:
    """While open, emotional tokens start from words, as if none had been fitted to the model."""
    text = models.backbone.text
    fitted, text.fitted = text.fitted, None
    try:
        yield
    finally:
        text.fitted = fitted


def request(case: Case, prompt: str) -> Request:
    return Request(prompt, case.target, case.seed, image=case.source)


def weights_of(cases: Sequence[Case]) -> Tensor:
    """The targets (b, 8) of cases; each row sums to 1."""
    return torch.tensor([case.target.weights for case in cases])


@torch.inference_mode()
def verdicts(models: Models, cases: Sequence[Case], pixels: Tensor) -> Tensor:
    """The judge's confidence (b,) in the target of each image of pixels (b, 3, h, w) in [0, 1]."""
    return (models.judge.probs(pixels).p * weights_of(cases)).sum(-1)


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
    """The method's schedule with DDIM's steps, as all rivals take them."""
    return replace(backbone_schedule(models.backbone, method), step=ddim, scheduler=None)


def starting_state(
    models: Models, method: Method, cases: Sequence[Case], conditional: Conditioning
) -> tuple[DenoisingState, int]:
    """Where the engine starts the cases: their noise, or the inversion of their sources.

    Args:
        conditional: of the plain prompts, for the inversion.

    Returns:
        The state, and the network evaluations of each row until then.
    """
    schedule = ddim_schedule(models, method)
    if cases[0].source is None:
        noise = noise_of(models, cases)[0]
        return DenoisingState.start(schedule, schedule.initial(noise)), 0
    start = first_edit_step(schedule, method)
    clean = models.backbone.codec.encode(sources_of(cases))
    path = ddim_invert(models.backbone, schedule, clean, conditional, start)
    return DenoisingState.start(schedule, path[0], start), len(path) - 1


def noised_sources(
    models: Models, method: Method, cases: Sequence[Case], strength: float
) -> DenoisingState:
    """The cases' sources with noise, as SDEdit starts (Meng et al., arXiv 2108.01073).

    Args:
        strength: share of the steps that are taken, in (0, 1].
    """
    schedule = ddim_schedule(models, method)
    start = round((1 - strength) * len(schedule))
    clean, noise = models.backbone.codec.encode(sources_of(cases)), noise_of(models, cases)[0]
    return DenoisingState.start(schedule, schedule.noised(clean, noise, start), start)


def finished(models: Models, latents: Tensor, traces: Sequence[Trace]) -> list[Sample]:
    """Samples of clean latents (b, c, h, w) with their traces."""
    return samples_of(models.backbone.codec.decode(latents), traces)


def samples_of(pixels: Tensor, traces: Sequence[Trace]) -> list[Sample]:
    """Samples of pixels (b, 3, h, w), about [0, 1], with their traces."""
    levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
    return [
        Sample(image.permute(1, 2, 0).contiguous(), trace)
        for image, trace in zip(levels, traces, strict=True)
    ]


def pixels_of(samples: Sequence[Sample]) -> Tensor:
    """Float (b, 3, h, w) in [0, 1] of finished samples; a failed one stops the evaluation."""
    pixels = []
    for sample in samples:
        if sample.pixels is None:
            raise RuntimeError(f"a request failed: {sample.failure}")
        pixels.append(sample.pixels)
    return torch.stack(pixels).permute(0, 3, 1, 2).float() / 255
