"""`MusePipeline`: the method for one's own scripts, in the conventions of diffusers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from muse.classifiers import EmotionClassifier, load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.base import Backbone
from muse.emotions import MIKELS, Target, Taxonomy
from muse.engine import MuseEngine
from muse.method import Method
from muse.mini import WEIGHTS
from muse.request import Request, Row, Trace

Emotion = str | Mapping[str, float]


@dataclass(frozen=True)
class MuseOutput:
    """What a call makes, in the order of its prompts.

    Attributes:
        images: the pictures; None where a request failed.
        traces: how each came about.
        failures: the reason of each failed request, else None.
    """

    images: list[Image.Image | None]
    traces: list[Trace]
    failures: list[str | None]


class MusePipeline:
    """Generates and edits images toward an emotion with a frozen diffusion model.

    `method` holds every parameter that a call does not name; `slots` bounds how many images are on their
    way at a time, and so the memory.
    """

    def __init__(
        self,
        backbone: Backbone,
        guide: EmotionClassifier,
        clip: ClipSimilarity,
        method: Method | None = None,
        slots: int = 0,
    ):
        self.backbone, self.guide, self.clip = backbone, guide, clip
        self.method, self.slots = method or Method(), slots

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = WEIGHTS / "diffusion",
        guide: str | Path = WEIGHTS / "guide",
        clip: str | Path = WEIGHTS / "clip",
        device: str = "cpu",
        method: Method | None = None,
        slots: int = 0,
        taxonomy: Taxonomy = MIKELS,
        label_map: Mapping[str, str] | None = None,
        **backbone: Any,
    ) -> MusePipeline:
        """Load from folders or hub ids (the diffusion model also from a file); the embedded world by default.

        Args:
            taxonomy: the emotions that exist; see `muse.emotions.taxonomies`.
            label_map: what labels of the guide mean that the taxonomy does not name; "" leaves one out.
            backbone: further arguments of `muse.diffusion.backbones.load_backbone`: dtype, vae, lora, preview,
                preview_side, compiled.

        Raises:
            ValueError: not a model of a known family, a classifier of other labels, or pickled weights.
        """
        return cls(
            load_backbone(model, device, **backbone),
            load_classifier(guide, taxonomy, label_map).to(device),
            ClipSimilarity.from_pretrained(clip).to(device),
            method,
            slots,
        )

    def __call__(
        self,
        prompt: str | Sequence[str],
        emotion: Emotion | Sequence[Emotion],
        image: Image.Image | Sequence[Image.Image] | None = None,
        negative_prompt: str = "",
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        strength: float | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        callback_on_step_end: Callable[
            [MusePipeline, int, int, dict[str, Any]], dict[str, Any] | None
        ]
        | None = None,
    ) -> MuseOutput:
        """Make one image, or one for each prompt of a list; they travel together but know nothing of each other.

        Args:
            emotion: a name (`"awe"`) or a mixture (`{"awe": 0.6, "fear": 0.4}`); or one of these for each prompt.
            image: present: it is edited; `prompt` then describes it. One, or one for each prompt.
            strength: when editing, the share of the steps that is undone and denoised again, in [0, 1].
            generator: where the seeds come from; one, or one for each prompt.
            callback_on_step_end: called as (pipeline, step, timestep, {"row", "latents" (1, c, h, w)}) after each
                denoising step of each image. Images stand at different steps. The image goes on with the "latents"
                of the dict that it returns, if it returns one.

        Raises:
            ValueError: an unknown emotion (with the nearest known one), lists of different lengths, or a parameter
                out of its range.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        count = len(prompts)
        emotions = _each("emotion", emotion, count, (str, Mapping))
        images = _each("image", image, count, (Image.Image, type(None)))
        generators = _each("generator", generator, count, (torch.Generator, type(None)))
        requests = [
            Request(
                words,
                Target.of(feeling, self.guide.taxonomy),
                _seed(draw),
                negative_prompt,
                None if source is None else _pixels(source),
            )
            for words, feeling, source, draw in zip(
                prompts, emotions, images, generators, strict=True
            )
        ]
        given: dict[str, Any] = {
            "steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "edit_guidance_scale": guidance_scale,
            "strength": strength,
        }
        method = replace(
            self.method, **{name: value for name, value in given.items() if value is not None}
        )
        engine = MuseEngine(self.backbone, self.guide, self.clip, method, self.slots)

        def on_step(row: Row, latents: torch.Tensor) -> torch.Tensor | None:
            if callback_on_step_end is None:
                return None
            timestep = int(engine.schedule.timesteps[row.index])
            told = callback_on_step_end(
                self, row.index, timestep, {"row": row.number, "latents": latents[None]}
            )
            return told["latents"][0] if told and "latents" in told else None

        samples = engine.run(requests, on_step)
        return MuseOutput(
            [None if s.pixels is None else Image.fromarray(s.pixels.numpy()) for s in samples],
            [s.trace for s in samples],
            [s.failure for s in samples],
        )


def _each(name: str, value: Any, count: int, single: tuple[type, ...]) -> list[Any]:
    """`value` for each of `count` prompts: repeated if it is a single one."""
    if isinstance(value, single):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} has {len(value)} entries for {count} prompts; give one, or one for each"
        )
    return list(value)


def _seed(draw: torch.Generator | None) -> int:
    """A seed from the caller's generator; fresh entropy without one, as in diffusers."""
    return int(torch.randint(2**62, (1,), generator=draw))


def _pixels(image: Image.Image) -> torch.Tensor:
    """Float (3, h, w) in [0, 1], the centre square of the picture."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
