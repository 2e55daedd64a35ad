"""Steps that bring an image to the shape of a model's input, differentiable: resizing and crops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MODES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the resampling filters that are reproduced."""


def resize(pixels: Tensor, size: int | tuple[int, int], mode: str = "bilinear") -> Tensor:
    """Resize of (b, 3, h, w) as Pillow does it: antialiased, but for `nearest`.

    Args:
        size: height and width, or the side of a square.
        mode: one of `MODES`.
    """
    size = (size, size) if isinstance(size, int) else size
    if pixels.shape[-2:] == size:
        return pixels
    if mode == "nearest":
        height, width = pixels.shape[-2:]
        down, across = nearest_pixels(height, size[0]), nearest_pixels(width, size[1])
        return pixels.index_select(-2, down.to(pixels.device)).index_select(
            -1, across.to(pixels.device)
        )
    if mode == "lanczos":
        height, width = pixels.shape[-2:]
        down = lanczos_weights(height, size[0]).to(pixels)
        across = lanczos_weights(width, size[1]).to(pixels)
        return down @ pixels @ across.T
    return F.interpolate(pixels, size=size, mode=mode, antialias=True)


@lru_cache(maxsize=16)
def nearest_pixels(before: int, after: int) -> Tensor:
    """Which old pixel each new one is, (after,), int64.

    Asked of Pillow, which decides ties in its own way: where torch's differ, the images do by 2 %.
    """
    from PIL import Image

    positions = Image.fromarray(np.arange(before, dtype=np.int32)[None])
    return torch.from_numpy(
        np.array(positions.resize((after, 1), Image.Resampling.NEAREST))[0]
    ).long()


@lru_cache(maxsize=16)
def lanczos_weights(before: int, after: int) -> Tensor:
    """The shares (after, before) of each old pixel in each new one, float32; rows sum to 1.

    Pillow's Lanczos filter: sinc(x) sinc(x / 3) for |x| < 3, widened where the image shrinks. That
    of torch needs release 2.11, and has no kernel for CUDA.
    """
    scale = before / after
    centres = (torch.arange(after, dtype=torch.float64) + 0.5) * scale
    positions = torch.arange(before, dtype=torch.float64) + 0.5
    x = (positions[None, :] - centres[:, None]) / max(scale, 1.0)
    weights = torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)
    return (weights / weights.sum(1, keepdim=True)).float()


@dataclass(frozen=True)
class Squash:
    """Any shape becomes `height` x `width` pixels."""

    height: int
    width: int

    def __call__(self, pixels: Tensor, mode: str) -> Tensor:
        return resize(pixels, (self.height, self.width), mode)


@dataclass(frozen=True)
class ShortestEdge:
    """The shortest edge becomes `edge` pixels; the aspect is kept."""

    edge: int

    def __call__(self, pixels: Tensor, mode: str) -> Tensor:
        height, width = pixels.shape[-2:]
        shortest = min(height, width)
        size = (int(self.edge * height / shortest), int(self.edge * width / shortest))
        return resize(pixels, size, mode)


@dataclass(frozen=True)
class CentreCrop:
    """The central `height` x `width` pixels; where the image is smaller, black surrounds it."""

    height: int
    width: int

    def __call__(self, pixels: Tensor, mode: str) -> Tensor:
        before, size = pixels.shape[-2:], (self.height, self.width)
        padded = (max(before[0], size[0]), max(before[1], size[1]))
        # The odd pixel is cut off at the bottom and right, but added at the top and left.
        top, left = (math.ceil((padded[i] - before[i]) / 2) for i in (0, 1))
        if padded != tuple(before):
            below, right = padded[0] - before[0] - top, padded[1] - before[1] - left
            pixels = F.pad(pixels, (left, right, top, below))
        y, x = top + (before[0] - size[0]) // 2, left + (before[1] - size[1]) // 2
        return pixels[..., y : y + size[0], x : x + size[1]]


@dataclass(frozen=True)
class CentreShare:
    """The central parts whose height and width are these shares of the shortest edge."""

    height: float
    width: float

    def __call__(self, pixels: Tensor, mode: str) -> Tensor:
        shortest = min(pixels.shape[-2:])
        crop = CentreCrop(int(self.height * shortest), int(self.width * shortest))
        return crop(pixels, mode)


Step = Squash | ShortestEdge | CentreCrop | CentreShare
