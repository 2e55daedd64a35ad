"""The VAE: its pieces of pictures and its loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jobs.world import autoencoder
from jobs.world.autoencoder import crop, edges, reconstruction_loss, train_decoder
from jobs.world.data import Scenes
from jobs.world.models import LATENT_CHANNELS, build_tiny_vae, build_unet, build_vae
from jobs.world.recipe import Recipe


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


def test_latents_are_an_eighth_of_the_picture_with_the_channels_of_the_unet():
    pixels = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        latents = build_vae().encode(pixels).latent_dist.mean
        assert latents.shape == (1, LATENT_CHANNELS, 4, 4)
        assert build_tiny_vae().decode(latents).sample.shape == pixels.shape
    assert build_unet().config.in_channels == LATENT_CHANNELS


def test_the_decoder_learns_from_latents_with_noise_and_the_encoder_stays(tmp_path, monkeypatch):
    recipe = replace(Recipe(), decoder_steps=1, vae_batch=2)
    scenes = Scenes(np.zeros((2, 64, 64, 3), np.uint8), [], np.zeros((2, 2)))
    decoded = []

    def one_step(scale):
        torch.manual_seed(0)
        monkeypatch.setattr(autoencoder, "DECODER_NOISE", scale)
        vae, work = build_vae(), tmp_path / str(scale)
        work.mkdir()
        before = vae.encoder.conv_in.weight.clone()
        decode = vae.decode
        monkeypatch.setattr(vae, "decode", lambda z: decoded.append(z) or decode(z))
        train_decoder(recipe, work, vae, scenes)
        assert torch.equal(vae.encoder.conv_in.weight, before)

    one_step(0.0)
    one_step(0.25)
    exact, noisy = decoded
    spread = (noisy - exact).std(dim=(1, 2, 3))
    # A scale for each picture.
    assert (spread > 0).all()
    assert spread[0] != pytest.approx(float(spread[1]), rel=0.05)
