"""The VAE of scenes: its pieces of pictures and its loss."""

import pytest
import torch

from jobs.world.scenes.autoencoder import crop, edges, reconstruction_loss
from jobs.world.scenes.models import build_tiny_vae, build_unet, build_vae


def test_a_crop_is_the_same_window_of_each_picture():
    pixels = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    piece = crop(pixels, 4, torch.Generator().manual_seed(0))
    assert piece.shape == (2, 3, 4, 4)
    assert torch.equal(piece[1] - piece[0], torch.full((3, 4, 4), 192.0))
    assert torch.equal(crop(pixels, 8, torch.Generator().manual_seed(0)), pixels)


def test_the_loss_punishes_soft_edges():
    sharp = torch.zeros(1, 1, 4, 4)
    sharp[..., 2:] = 1
    soft = sharp.clone()
    soft[..., 1], soft[..., 2] = 0.25, 0.75
    shifted = sharp + 0.125
    assert edges(sharp).shape == (1, 24)
    assert reconstruction_loss(sharp, sharp) == 0
    # Both are off by 0.125 on average; only one has lost the edge.
    assert (soft - sharp).abs().mean() == pytest.approx(float((shifted - sharp).abs().mean()))
    assert reconstruction_loss(soft, sharp) > reconstruction_loss(shifted, sharp)


def test_latents_are_an_eighth_of_the_picture_with_16_channels():
    pixels = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        latents = build_vae().encode(pixels).latent_dist.mean
        assert latents.shape == (1, 16, 4, 4)
        assert build_tiny_vae().decode(latents).sample.shape == pixels.shape
    assert build_unet().config.in_channels == 16
