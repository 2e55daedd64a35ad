"""Augmentations of what the guide sees: a gradient must not please it with changes that nobody sees.

Each reading draws one crop, blur and noise for each row from the row's own generator, after the cutouts of
VQGAN-CLIP (Crowson et al., arXiv 2204.08583); how much of each is our choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def augmented(pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Pixels (b, 3, h, w) in [0, 1], each row cropped (85 to 100 %), half of them blurred, with noise of 0.02."""
    return torch.cat([_one(row[None], draw) for row, draw in zip(pixels, generators, strict=True)])


def _one(pixels: Tensor, draw: torch.Generator) -> Tensor:
    side = pixels.shape[-1]
    share, across, down, coin = torch.rand(4, generator=draw).tolist()
    kept = round(side * (0.85 + 0.15 * share))
    left, top = round(across * (side - kept)), round(down * (side - kept))
    seen = pixels[..., top : top + kept, left : left + kept]
    seen = F.interpolate(seen, size=(side, side), mode="bilinear", antialias=True)
    if coin < 0.5:
        seen = F.avg_pool2d(F.pad(seen, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return seen + 0.02 * torch.randn(seen.shape, generator=draw).to(seen)
