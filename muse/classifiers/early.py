"""Blurs images as early one-step predictions are blurred, to train a classifier on them."""

from __future__ import annotations

import torch
from torch import Tensor

CUTOFFS = (1.0, 16.0)
"""Range of the cutoff frequency, at which half of the contrast is lost, in cycles per image.

Drawn log-uniformly.
"""


def blur_as_early_prediction(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Images (b, 3, h, w) in [0, 1], each blurred as the prediction of x0 at a random noise level.

    The best linear estimate of x0 from z_t (Wiener) keeps the share S alpha^2 / (S alpha^2 +
    sigma^2) of a frequency f of power S. Natural images have S ~ 1 / f^2 (Field, 1987), so it keeps
    1 / (1 + (f / c)^2), with a cutoff c that falls as the noise grows.
    """
    height, width = pixels.shape[-2:]
    low, high = (torch.tensor(cutoff).log() for cutoff in CUTOFFS)
    cutoff = (
        (low + (high - low) * torch.rand(len(pixels), generator=generator)).exp().to(pixels.device)
    )
    down = torch.fft.fftfreq(height, 1 / height, device=pixels.device)
    across = torch.fft.rfftfreq(width, 1 / width, device=pixels.device)
    square = down[:, None] ** 2 + across[None, :] ** 2
    gain = 1 / (1 + square / cutoff.view(-1, 1, 1, 1) ** 2)
    return torch.fft.irfft2(torch.fft.rfft2(pixels) * gain, s=(height, width))
