"""A model's image preprocessing: that of its image processor in transformers, differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from muse.classifiers.image_processors import (
    REMEDY,
    affine_of,
    class_name,
    first_sentence,
    open_processor,
    size_of,
    steps_of,
)
from muse.classifiers.image_steps import MODES, Squash, Step

MAX_DIFFERENCE = 0.02
"""Mean difference from the tensor of transformers that interpolation explains.

In standard deviations of that tensor. Theirs rounds to whole levels whenever it has resized, which
makes 0.001 to 0.006 on the trial image; another filter makes 0.05 or more.
"""


MAX_SIDE = 4096
"""Of a classifier's input, pixels. The largest in use have 1024; more is a mistake."""


class Preprocessing(nn.Module):
    """Pixels in [0, 1] to a model's input.

    Attributes:
        side: of the model's input, in pixels.
        steps: what brings an image of any shape to `side` x `side`. None: it is resized to that.
        mode: of resizing, one of `MODES`.
    """

    def __init__(
        self,
        side: int,
        mean: Sequence[float],
        std: Sequence[float],
        steps: Sequence[Step] | None = None,
        mode: str = "bilinear",
        flipped: bool = False,
    ):
        super().__init__()
        self.side, self.mode, self.flipped = side, mode, flipped
        self.steps = (Squash(side, side),) if steps is None else tuple(steps)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    @classmethod
    def from_pretrained(cls, folder: Path) -> Preprocessing:
        """As the folder's image processor does it, to which it is held on a picture.

        Raises:
            ValueError: the folder names no image processor, or one that is not reproduced here.
        """
        processor = open_processor(folder)
        try:
            return cls.of(processor)
        except Exception as error:
            # Its settings are arbitrary JSON, and each class fails in its own way on bad ones.
            raise ValueError(
                f"{folder}: its image processor {class_name(processor)} is not supported "
                f"({first_sentence(error)}); {REMEDY}"
            ) from None

    @classmethod
    def of(cls, processor: Any) -> Preprocessing:
        """As an image processor of transformers does it.

        Raises:
            ValueError: it does something that is not reproduced here; says what.
        """
        sides = [
            side for name in ("size", "crop_size") for side in size_of(processor, name).values()
        ]
        if sides and max(sides) > MAX_SIDE:
            raise ValueError(f"its input has {max(sides)} pixels a side; {MAX_SIDE} are the most")
        theirs = _tried(processor, trial_image(224, 336))
        side = theirs.shape[-1]
        if theirs.shape[-2] != side:
            raise ValueError(
                f"its input is {theirs.shape[-2]} x {side} pixels for a picture of 224 x 336; "
                "it must be square whatever the picture is"
            )
        resample = getattr(processor, "resample", None)
        mode = MODES.get(2 if resample is None else resample)
        if mode is None:
            raise ValueError(
                f"its resample is {resample!r}; reproduced are 0 (nearest), 1 (Lanczos), "
                "2 (bilinear) and 3 (bicubic)"
            )
        mean, std = affine_of(processor)
        flipped = bool(getattr(processor, "do_flip_channel_order", False))
        ours = cls(side, mean, std, steps_of(processor), mode, flipped)
        ours._hold_to(processor)
        return ours

    @torch.no_grad()
    def _hold_to(self, processor: Any) -> None:
        """
        Raises:
            ValueError: the processor makes something else of a picture that is not square.
        """
        picture = trial_image(self.side + self.side // 4 + 1, 2 * self.side)
        theirs = _tried(processor, picture)
        ours = self(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)
        if theirs.shape[-2:] != (self.side, self.side):
            raise ValueError(
                f"its input is {self.side} x {self.side} pixels for one picture and "
                f"{theirs.shape[-2]} x {theirs.shape[-1]} for another; it must be of one size"
            )
        if ours.shape != theirs.shape:
            raise ValueError(
                f"its input is {self.side} x {self.side} pixels, and resizing and cropping by its "
                f"settings make {ours.shape[-2]} x {ours.shape[-1]}"
            )
        difference = float((ours - theirs).abs().mean() / theirs.std())
        if not difference <= MAX_DIFFERENCE:
            raise ValueError(
                "what it makes of a picture differs from what its settings give by "
                f"{difference:.2f} standard deviations"
            )

    def shape(self, pixels: Tensor) -> Tensor:
        """Pixels (b, 3, h, w) as (b, 3, side, side), still in [0, 1]."""
        for step in self.steps:
            pixels = step(pixels, self.mode)
        return pixels

    def normalise(self, pixels: Tensor) -> Tensor:
        """The model's input, from pixels (b, 3, side, side) in [0, 1]."""
        inputs = (pixels - self.mean) / self.std
        return inputs.flip(1) if self.flipped else inputs

    def forward(self, pixels: Tensor) -> Tensor:
        return self.normalise(self.shape(pixels))


def trial_image(height: int, width: int) -> np.ndarray:
    """A picture (height, width, 3), uint8, with coarse and fine structure and no symmetry."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    channels = np.array([1.0, 1.7, 2.3], dtype=np.float32)
    broad = np.sin(3 * channels * down + 1) + np.sin(5 * channels * across * (1 + down) + channels)
    fine = np.sin((90 + 30 * across) * channels * down) * np.sin(110 * channels * across)
    return (127.5 + 40 * broad + 40 * fine).round().astype(np.uint8)


def _tried(processor: Any, picture: np.ndarray) -> Tensor:
    """What a processor makes of a picture: (1, 3, h, w), float32.

    Raises:
        ValueError: it cannot, or not pixels.
    """
    from PIL import Image

    try:
        made = processor(Image.fromarray(picture), return_tensors="pt")
    except Exception as error:
        # Each class fails in its own way on settings that do not go together.
        raise ValueError(
            f"transformers fails on a picture with its settings: {first_sentence(error)}"
        ) from None
    pixels = made.get("pixel_values")
    if not isinstance(pixels, Tensor) or pixels.ndim != 4 or pixels.shape[:2] != (1, 3):
        shape = f" of shape {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else ""
        raise ValueError(f"it returns {', '.join(made)}{shape}, not an image of three channels")
    return pixels.float()
