"""The VAE: its loss, its latents, and the training of its decoder alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jobs.world.autoencoder import (
    SUBJECT_WEIGHT,
    reconstruction_loss,
    subject_weights,
    train_decoder,
)
from jobs.world.data import Scenes
from jobs.world.models import LATENT_CHANNELS, build_tiny_vae, build_unet, build_vae
from jobs.world.recipe import Recipe


def test_the_loss_punishes_soft_edges():
    sharp = torch.zeros(1, 1, 4, 4)
    sharp[..., 2:] = 1
    soft = sharp.clone()
    soft[..., 1], soft[..., 2] = 0.25, 0.75
    shifted = sharp + 0.125
    even = torch.ones(4, 4)
    assert reconstruction_loss(sharp, sharp, even) == 0
    # Both are off by 0.125 on average; only one has lost the edge.
    assert (soft - sharp).abs().mean() == pytest.approx(float((shifted - sharp).abs().mean()))
    losses = [reconstruction_loss(x, sharp, even) for x in (soft, shifted)]
    assert losses[0] > losses[1]


def test_errors_count_more_where_the_subject_is():
    weights, black = subject_weights(128), torch.zeros(1, 3, 128, 128)
    assert weights.mean().item() == pytest.approx(1)
    inside, outside = black.clone(), black.clone()
    inside[..., 80, 64], outside[..., 10, 64] = 1.0, 1.0
    ratio = reconstruction_loss(inside, black, weights) / reconstruction_loss(
        outside, black, weights
    )
    assert ratio.item() == pytest.approx(SUBJECT_WEIGHT)


def test_latents_are_a_sixteenth_of_the_picture_with_the_channels_of_the_unet():
    pixels = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        latents = build_vae().encode(pixels).latent_dist.mean
        assert latents.shape == (1, LATENT_CHANNELS, 4, 4)
        assert build_tiny_vae().decode(latents).sample.shape == pixels.shape
    assert build_unet().config.in_channels == LATENT_CHANNELS


def test_the_decoder_learns_from_latents_with_noise_and_the_encoder_stays(tmp_path, monkeypatch):
    recipe = replace(Recipe(), decoder_steps=2, vae_batch=2)
    scenes = Scenes(np.zeros((2, 64, 64, 3), np.uint8), [], np.zeros((2, 2)))
    torch.manual_seed(0)
    vae, decoded = build_vae(), []
    with torch.no_grad():
        vae.quant_conv.bias[LATENT_CHANNELS:] = 0.0
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z: decoded.append(z) or decode(z))
    train_decoder(recipe, tmp_path, vae, scenes)
    first, second = decoded
    assert (first - second).std() > 0.1
    for name, value in vae.state_dict().items():
        stays = not name.startswith(("decoder.", "post_quant_conv."))
        assert torch.equal(value, before[name]) or not stays, name
    assert not torch.equal(vae.decoder.conv_out.weight, before["decoder.conv_out.weight"])
