"""`MusePipeline`: the method for one's own scripts, in the conventions of diffusers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from muse.classifiers import EmotionClassifier, load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.base import Backbone
from muse.emotions import MIKELS, Target, Taxonomy
from muse.engine import MuseEngine
from muse.images import crop_square, to_srgb, to_tensor
from muse.method import Method
from muse.mini import WEIGHTS
from muse.phases import OnStep
from muse.request import Request, Trace
from muse.row import Row

Emotion = str | Mapping[str, float]
"""The name of an emotion, or the weights of a mixture by name."""

Callback = Callable[["MusePipeline", int, int, dict[str, Any]], "dict[str, Any] | None"]
"""(pipeline, step, timestep, {"row", "latents"}) -> the latents to go on with, or None."""


@dataclass(frozen=True)
class MuseOutput:
    """What a call makes, in the order of its prompts.

    Attributes:
        images: the pictures, RGB; None where a request failed.
        traces: how each was made.
        failures: the reason of each failed request, else None.
    """

    images: list[Image.Image | None]
    traces: list[Trace]
    failures: list[str | None]


class MusePipeline:
    """Generates and edits images toward an emotion with a frozen diffusion model.

    Args:
        method: every parameter that a call does not name; the defaults if it is None.
        slots: images on their way at a time, which bounds the memory; 0 for all of a call.
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
        """Load from folders or hub ids (the diffusion model also from a single file).

        Without arguments these are the models of the embedded world.

        Args:
            taxonomy: the emotions that exist; see `muse.emotions.taxonomies`.
            label_map: what labels of the guide mean that the taxonomy does not name; "" leaves one
                out.
            backbone: further arguments of `muse.diffusion.backbones.load_backbone`.

        Raises:
            ValueError: if the model is of no known family, the guide has other labels, or weights
                are pickled.
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
        callback_on_step_end: Callback | None = None,
    ) -> MuseOutput:
        """Make one image, or one for each prompt of a list. The images do not affect each other.

        Args:
            emotion: a name (`"awe"`) or a mixture (`{"awe": 0.6, "fear": 0.4}`); one for all
                prompts, or one for each.
            image: if it is given, it is edited, and `prompt` describes it; one for all prompts, or
                one for each.
            strength: when editing, the share of the steps that is inverted and denoised again, in
                [0, 1].
            generator: source of the seeds; one for all prompts, or one for each.
            callback_on_step_end: called as (pipeline, step, timestep, {"row", "latents"}) after
                each denoising step of each image, with latents (1, c, h, w). Images may stand at
                different steps. If it returns a dict with "latents", the image goes on with these.

        Raises:
            ValueError: if an emotion is unknown (the message names the nearest known one), lists
                have different lengths, or a parameter is out of its range.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        count = len(prompts)
        emotions = _broadcast("emotion", emotion, count, (str, Mapping))
        images = _broadcast("image", image, count, (Image.Image, type(None)))
        generators = _broadcast("generator", generator, count, (torch.Generator, type(None)))
        side = self.backbone.latent_shape[-1] * self.backbone.codec.pixels_per_latent
        requests = [
            Request(
                prompts[k],
                Target.of(emotions[k], self.guide.taxonomy),
                _seed(generators[k]),
                negative_prompt,
                None if images[k] is None else _pixels(images[k], side),
            )
            for k in range(count)
        ]
        overrides: dict[str, Any] = {
            "steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "edit_guidance_scale": guidance_scale,
            "strength": strength,
        }
        given = {name: value for name, value in overrides.items() if value is not None}
        method = self.method.replace(**given)
        engine = MuseEngine(self.backbone, self.guide, self.clip, method, self.slots)
        samples = engine.run(requests, self._on_step(engine, callback_on_step_end))
        return MuseOutput(
            [None if s.pixels is None else Image.fromarray(s.pixels.numpy()) for s in samples],
            [s.trace for s in samples],
            [s.failure for s in samples],
        )

    def _on_step(self, engine: MuseEngine, callback: Callback | None) -> OnStep | None:
        """The engine's hook that calls a user's callback."""
        if callback is None:
            return None

        def on_step(row: Row, latents: torch.Tensor) -> torch.Tensor | None:
            timestep = int(engine.schedule.timesteps[row.step])
            arguments = {"row": row.number, "latents": latents[None]}
            returned = callback(self, row.step, timestep, arguments)
            return returned["latents"][0] if returned and "latents" in returned else None

        return on_step


def _broadcast(name: str, value: Any, count: int, single: tuple[type, ...]) -> list[Any]:
    """`value` for each of `count` prompts: repeated if it is a single one."""
    if isinstance(value, single):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} has {len(value)} entries for {count} prompts; give one, or one for each"
        )
    return list(value)


def _seed(generator: torch.Generator | None) -> int:
    """A seed from the caller's generator; without one from torch's own, as in diffusers."""
    return int(torch.randint(2**62, (1,), generator=generator))


def _pixels(image: Image.Image, side: int) -> torch.Tensor:
    """Float (3, side, side) in [0, 1]: the central square of the picture as a person sees it."""
    return to_tensor(crop_square(to_srgb(image), side).image)
