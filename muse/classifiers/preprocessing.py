"""A model's image preprocessing, read from its preprocessor_config.json and differentiable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.classifiers.spec import read_json

MODES = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the differentiable resampling filters; others fall back to bilinear."""


def resize(pixels: Tensor, size: int | tuple[int, int], mode: str = "bilinear") -> Tensor:
    """Antialiased resize of (b, 3, h, w).

    Args:
        size: height and width, or the side of a square.
    """
    size = (size, size) if isinstance(size, int) else size
    if pixels.shape[-2:] == size:
        return pixels
    return F.interpolate(pixels, size=size, mode=mode, antialias=True)


class Preprocessing(nn.Module):
    """Pixels in [0, 1] to a model's input.

    Attributes:
        side: of the model's input, in pixels.
        edge: the shortest edge is resized to this, then the central `side` x `side` is cropped.
            None: any shape is resized to `side` x `side`.
        mode: `bilinear` or `bicubic`, antialiased.
    """

    def __init__(
        self,
        side: int,
        mean: Sequence[float],
        std: Sequence[float],
        edge: int | None = None,
        mode: str = "bilinear",
        flipped: bool = False,
    ):
        super().__init__()
        if edge is not None and edge < side:
            raise ValueError(f"a crop of {side} pixels is larger than the edge of {edge}")
        self.side, self.edge, self.mode, self.flipped = side, edge, mode, flipped
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    @classmethod
    def from_pretrained(cls, folder: Path) -> Preprocessing:
        """As the folder's preprocessor_config.json (or processor_config.json) says.

        Raises:
            ValueError: neither is there, or it asks for something that is not supported.
        """
        return cls.of(read_settings(folder))

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Preprocessing:
        """From the settings of an image processor of transformers."""
        side, edge = _sizes(settings)
        mean, std = settings.get("image_mean"), settings.get("image_std")
        if not settings.get("do_normalize", True) or mean is None or std is None:
            mean, std = [0.0] * 3, [1.0] * 3
        # Some models take 0..255, or -1..1, before the mean is subtracted.
        scale = (
            255 * settings.get("rescale_factor", 1 / 255)
            if settings.get("do_rescale", True)
            else 255.0
        )
        if settings.get("rescale_offset"):
            raise ValueError(
                "a preprocessor with rescale_offset is not supported; "
                "fold it into image_mean and image_std"
            )
        mode = MODES.get(settings.get("resample", 2), "bilinear")
        flipped = bool(settings.get("do_flip_channel_order", False))
        return cls(side, [m / scale for m in mean], [s / scale for s in std], edge, mode, flipped)

    def shape(self, pixels: Tensor) -> Tensor:
        """Pixels (b, 3, h, w) as (b, 3, side, side), still in [0, 1]."""
        if self.edge is None:
            return resize(pixels, self.side, self.mode)
        height, width = pixels.shape[-2:]
        shortest = min(height, width)
        if shortest != self.edge:
            size = (int(self.edge * height / shortest), int(self.edge * width / shortest))
            pixels = F.interpolate(pixels, size=size, mode=self.mode, antialias=True)
        top, left = (pixels.shape[-2] - self.side) // 2, (pixels.shape[-1] - self.side) // 2
        return pixels[..., top : top + self.side, left : left + self.side]

    def normalise(self, pixels: Tensor) -> Tensor:
        """The model's input, from pixels (b, 3, side, side) in [0, 1]."""
        inputs = (pixels - self.mean) / self.std
        return inputs.flip(1) if self.flipped else inputs

    def forward(self, pixels: Tensor) -> Tensor:
        return self.normalise(self.shape(pixels))


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of a folder's image processor.

    Raises:
        ValueError: the folder has none.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            settings = read_json(folder / name)
            settings = settings.get("image_processor", settings)
            if "size" in settings:
                return settings
    raise ValueError(
        f"{folder} does not say how images are preprocessed: "
        "it has no preprocessor_config.json with a size"
    )


def _sizes(settings: Mapping[str, Any]) -> tuple[int, int | None]:
    """The side of the input and the edge before the crop, in any spelling that processors use."""
    size, crop = settings["size"], None
    if settings.get("do_center_crop", "crop_size" in settings):
        crop = _square(settings.get("crop_size", size))
    if isinstance(size, int):
        size = {"shortest_edge": size} if crop else {"height": size, "width": size}
    edge = size.get("shortest_edge")
    if edge is None:
        whole, share = _square(size), settings.get("crop_pct")
        if crop is None:
            return whole, None
        return crop, int(whole / share) if share else max(whole, crop)
    share = settings.get("crop_pct")
    if share and crop is None:
        # As ConvNeXt does: crop small inputs, squash large ones.
        return (edge, None) if edge >= 384 else (edge, int(edge / share))
    return crop or edge, int(edge / share) if share else edge


def _square(size: Any) -> int:
    if isinstance(size, int):
        return size
    height = size.get("height") or size.get("shortest_edge")
    if height is None or size.get("width", height) != height:
        raise ValueError(f"an input of size {dict(size)} is not supported; it must be square")
    return int(height)
