"""The VAE: its loss, and its latents."""

import numpy as np
import pytest
import torch

from jobs.world.autoencoder import (
    FACE_WEIGHT,
    SUBJECT_WEIGHT,
    error_weights,
    reconstruction_loss,
)
from jobs.world.faces import NO_FACE
from jobs.world.models import LATENT_CHANNELS, build_tiny_vae, build_unet, build_vae


def test_the_loss_punishes_soft_edges():
    sharp = torch.zeros(1, 1, 4, 4)
    sharp[..., 2:] = 1
    soft = sharp.clone()
    soft[..., 1], soft[..., 2] = 0.25, 0.75
    shifted = sharp + 0.125
    even = torch.ones(1, 4, 4)
    assert reconstruction_loss(sharp, sharp, even) == 0
    # Both are off by 0.125 on average; only one has lost the edge.
    assert (soft - sharp).abs().mean() == pytest.approx(float((shifted - sharp).abs().mean()))
    losses = [reconstruction_loss(x, sharp, even) for x in (soft, shifted)]
    assert losses[0] > losses[1]


@pytest.mark.parametrize(
    ("row", "column", "face", "weight"),
    [
        (80, 64, NO_FACE, SUBJECT_WEIGHT),
        (80, 64, (70, 90, 60, 70), FACE_WEIGHT),
        (80, 71, (70, 90, 60, 70), SUBJECT_WEIGHT),
    ],
)
def test_errors_count_more_in_the_subject_and_most_in_its_face(row, column, face, weight):
    weights, black = error_weights(128, np.array([face])), torch.zeros(1, 3, 128, 128)
    assert weights.mean().item() == pytest.approx(1)
    inside, outside = black.clone(), black.clone()
    inside[..., row, column], outside[..., 10, 64] = 1.0, 1.0
    losses = [reconstruction_loss(picture, black, weights) for picture in (inside, outside)]
    assert (losses[0] / losses[1]).item() == pytest.approx(weight)


def test_latents_are_a_sixteenth_of_the_picture_with_the_channels_of_the_unet():
    pixels = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        latents = build_vae().encode(pixels).latent_dist.mean
        assert latents.shape == (1, LATENT_CHANNELS, 4, 4)
        assert build_tiny_vae().decode(latents).sample.shape == pixels.shape
    assert build_unet().config.in_channels == LATENT_CHANNELS
