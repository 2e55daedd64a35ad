"""Stable Diffusion XL: a U-Net told by two text encoders, their pooled vector and the picture's size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.base import (
    Codec,
    Conditioning,
    Prompts,
    TextEncoders,
    frozen,
    widened,
)


class StableDiffusionXL:
    """The context is the penultimate layer of both encoders (Podell et al., arXiv 2307.01952)."""

    def __init__(
        self,
        pipe,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        preview: nn.Module | None = None,
    ):
        self.device, self.dtype = torch.device(device), dtype
        pairs = [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]
        self.text = TextEncoders(pairs, self.device, dtype)
        self.codec = Codec(pipe.vae, preview, self.device, dtype)
        self.network = frozen(pipe.unet, self.device, dtype).to(memory_format=torch.channels_last)
        self.scheduler_config = pipe.scheduler.config
        cells = self.network.config.sample_size
        self.latent_shape = (self.network.config.in_channels, cells, cells)
        side = float(cells * self.codec.pixels_per_latent)
        # Original size, crop corner, target size: an uncropped picture of the size that is made.
        self.time_ids = torch.tensor(
            [[side, side, 0.0, 0.0, side, side]], device=self.device, dtype=dtype
        )
        self.empty_is_zero = bool(pipe.config.get("force_zeros_for_empty_prompt", True))

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        outputs = self.text.encode(prompts, tokens)
        context = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        pooled = outputs[-1].text_embeds
        if tokens is None and self.empty_is_zero:
            said = self._says_something(prompts).to(context.dtype)
            context, pooled = context * said[:, None, None], pooled * said[:, None]
        return Conditioning(context, pooled)

    def _says_something(self, prompts: Prompts) -> Tensor:
        """Bool (b,): an empty prompt ends right after it begins; this family was trained to see zeros there."""
        return (prompts.ids[0][:, 1] != self.text.tokenizers[0].eos_token_id).to(self.device)

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        told = {
            "text_embeds": conditioning.pooled,
            "time_ids": self.time_ids.expand(len(latents), -1),
        }
        output = self.network(
            latents.to(self.dtype),
            timesteps,
            encoder_hidden_states=conditioning.context,
            added_cond_kwargs=told,
        )
        return widened(output.sample)
