"""Stable Diffusion 1.x and 2.x: a U-Net with one text encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.base import (
    Codec,
    Conditioning,
    Prompts,
    TextEncoders,
    at_least_float32,
    frozen,
)


class StableDiffusion:
    """Noise or velocity prediction, as its scheduler's configuration says."""

    def __init__(
        self,
        pipe,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        tiny_vae: nn.Module | None = None,
    ):
        self.device, self.dtype = torch.device(device), dtype
        self.text = TextEncoders([(pipe.tokenizer, pipe.text_encoder)], self.device, dtype)
        self.codec = Codec(pipe.vae, tiny_vae, self.device, dtype)
        self.network = frozen(pipe.unet, self.device, dtype).to(memory_format=torch.channels_last)
        self.scheduler_config = pipe.scheduler.config
        cells = self.network.config.sample_size
        self.latent_shape = (self.network.config.in_channels, cells, cells)

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        (output,) = self.text.encode(prompts, tokens)
        return Conditioning(output.last_hidden_state)

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        output = self.network(
            latents.to(self.dtype), timesteps, encoder_hidden_states=conditioning.context
        )
        return at_least_float32(output.sample)
