"""What the tiny decoder learns from."""

import torch

from jobs.world.tiny_vae import blend_half


def test_every_other_latent_is_blended_with_its_neighbour():
    latents = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 2, 2, 2)
    blended = blend_half(latents, torch.Generator().manual_seed(0))
    assert torch.equal(blended[::2], latents[::2])
    assert (blended[1::2] != latents[1::2]).all()
