"""The frozen diffusion model behind one small protocol: encode text, predict, decode, encode images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from muse.sampler import Schedule, make_schedule
from muse.tokens import spliced


class Backbone(Protocol):
    """What MUSE asks of a diffusion model. All tensors on its device; no weight requires a gradient.

    Attributes:
        device: where everything lies.
        tokenizer: of the text encoder, in the conventions of transformers.
        token_table: the text encoder's token embeddings.
        latent_shape: (channels, height, width) of one image's latents.
        pixels_per_latent: side of an image over the side of its latents.
    """

    device: torch.device
    tokenizer: Any
    token_table: nn.Embedding
    pixels_per_latent: int
    latent_shape: tuple[int, int, int]

    def schedule(self, steps: int) -> Schedule: ...

    def embed(self, ids: Tensor, places: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """Text conditioning (b, length, d) of ids (b, length), with tokens spliced in at places."""
        ...

    def predict(self, latents: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        """The U-Net's output, of the latents' shape."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels (b, 3, h, w), about [0, 1], not clamped."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (mean of the posterior) of pixels in [0, 1]."""
        ...


class StableDiffusion:
    """Stable Diffusion 1.x in the diffusers folder layout."""

    def __init__(self, pipe, device: str = "cpu"):
        self.unet, self.vae, self.text_encoder = pipe.unet, pipe.vae, pipe.text_encoder
        self.tokenizer, self.scheduler_config = pipe.tokenizer, pipe.scheduler.config
        self.device = torch.device(device)
        for part in (self.unet, self.vae, self.text_encoder):
            # Frozen before anything else: a backward pass then skips every weight gradient.
            part.requires_grad_(False).eval().float().to(self.device, memory_format=torch.channels_last)
        cells = self.unet.config.sample_size
        self.latent_shape = (self.unet.config.in_channels, cells, cells)
        self.pixels_per_latent = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.token_table = self.text_encoder.get_input_embeddings()

    @classmethod
    def from_pretrained(cls, path: str | Path, device: str = "cpu") -> StableDiffusion:
        """Load a local diffusers folder or a hub id; only safetensors are read."""
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained(
            path, use_safetensors=True, safety_checker=None, requires_safety_checker=False
        )
        return cls(pipe, device)

    def schedule(self, steps: int) -> Schedule:
        return make_schedule(self.scheduler_config, steps)

    def embed(self, ids: Tensor, places: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        if places is None or tokens is None:
            return self.text_encoder(ids.to(self.device))[0]
        with spliced(self.token_table, places, tokens):
            return self.text_encoder(ids.to(self.device))[0]

    def predict(self, latents: Tensor, timestep: Tensor, context: Tensor) -> Tensor:
        return self.unet(latents, timestep.to(self.device), encoder_hidden_states=context).sample

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample / 2 + 0.5

    def encode(self, pixels: Tensor) -> Tensor:
        return self.vae.encode(pixels * 2 - 1).latent_dist.mean * self.vae.config.scaling_factor
