"""Diffusion transformers of random weights have the sizes of the published ones."""

import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from transformers import T5Config, T5EncoderModel

from jobs.benchmark.full_size.transformer_models import (
    FLUX_DEV,
    LATENT_CHANNELS,
    SD35_MEDIUM,
    T5_XXL,
    vae_of,
)


@pytest.mark.parametrize(
    ("make", "billions"),
    [
        (lambda: SD3Transformer2DModel(**SD35_MEDIUM), 2.47),
        (lambda: FluxTransformer2DModel(**FLUX_DEV), 11.90),
        (lambda: T5EncoderModel(T5Config(**T5_XXL)), 4.76),
        # The file of 168 MB in bfloat16 that comes with both.
        (lambda: vae_of(0.3611, 0.1159), 0.084),
    ],
    ids=["sd35", "flux", "t5", "vae"],
)
def test_a_part_has_the_parameters_of_the_published_one(make, billions):
    with torch.device("meta"):
        model = make()
    # The positions of Stable Diffusion 3.5 are a buffer.
    count = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    assert count / 1e9 == pytest.approx(billions, rel=0.004)


def test_the_vae_gives_a_64th_of_the_pixels():
    with torch.device("meta"):
        moments = vae_of(0.3611, 0.1159).encoder(torch.empty(1, 3, 64, 48))
    assert moments.shape == (1, 2 * LATENT_CHANNELS, 8, 6)
