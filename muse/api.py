"""`MusePipeline`: the method for one's own scripts, in the conventions of diffusers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from muse.call import Emotion, Picture, method_of, requests_of
from muse.classifiers import EmotionClassifier, load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.base import Backbone
from muse.emotions import MIKELS, Taxonomy
from muse.engine import MuseEngine
from muse.method import Method
from muse.mini import WEIGHTS
from muse.phases import OnStep
from muse.request import Trace
from muse.row import Row

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
        image: Picture | Sequence[Picture] | None = None,
        negative_prompt: str | Sequence[str] = "",
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        strength: float | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        callback_on_step_end: Callback | None = None,
    ) -> MuseOutput:
        """Make one image, or one for each prompt of a list. The images do not affect each other.

        Args:
            emotion: a name (`"awe"`), a mixture (`{"awe": 0.6, "fear": 0.4}`) or a `Target`; one
                for all prompts, or one for each.
            image: if it is given, it is edited, and `prompt` describes it: a PIL image or the path
                of an image file; one for all prompts, or one for each. Its central square is
                taken, read as a run of the command reads it (see `muse.images`).
            negative_prompt: what classifier-free guidance leads away from; one for all prompts, or
                one for each.
            strength: when editing, the share of the steps that is inverted and denoised again, in
                [0, 1].
            generator: source of the seeds, on any device; one for all prompts, or one for each.
            callback_on_step_end: called as (pipeline, step, timestep, {"row", "latents"}) after
                each denoising step of each image, with latents (1, c, h, w). Images may stand at
                different steps. If it returns a dict with "latents", the image goes on with these.

        Raises:
            ValueError: if an emotion is unknown (the message names the nearest known one), an
                argument has a wrong type or length, an image cannot be read, or a parameter is out
                of its limits.
        """
        side = self.backbone.latent_shape[-1] * self.backbone.codec.pixels_per_latent
        requests = requests_of(
            prompt, emotion, image, negative_prompt, generator, self.guide.taxonomy, side
        )
        method = method_of(
            self.method,
            steps=num_inference_steps,
            guidance_scale=guidance_scale,
            edit_guidance_scale=guidance_scale,
            strength=strength,
        )
        engine = MuseEngine(self.backbone, self.guide, self.clip, method, self.slots)
        samples = engine.run(requests, self._on_step(engine, callback_on_step_end))
        output = MuseOutput([], [], [])
        for sample in samples:
            pixels = sample.pixels
            output.images.append(None if pixels is None else Image.fromarray(pixels.numpy()))
            output.traces.append(sample.trace)
            output.failures.append(sample.failure)
        return output

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
