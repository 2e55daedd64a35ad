"""Blurring as early predictions are blurred."""

import torch

from muse.classifiers.early import blur_as_early_prediction


def test_blurring_keeps_the_mean_and_reduces_contrast(pixels):
    predicted = blur_as_early_prediction(pixels, torch.Generator().manual_seed(0))
    assert torch.allclose(predicted.mean((2, 3)), pixels.mean((2, 3)), atol=1e-4)
    assert (predicted.std((2, 3)) < 0.7 * pixels.std((2, 3))).all()
