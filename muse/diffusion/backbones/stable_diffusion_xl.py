"""Stable Diffusion XL: a U-Net with two text encoders, a pooled vector and the image size."""

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


class StableDiffusionXL:
    """The context is the penultimate layer of both encoders (Podell et al., arXiv 2307.01952)."""

    def __init__(
        self,
        pipe,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        tiny_vae: nn.Module | None = None,
    ):
        self.device, self.dtype = torch.device(device), dtype
        pairs = [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]
        self.text = TextEncoders(pairs, self.device, dtype)
        self.codec = Codec(pipe.vae, tiny_vae, self.device, dtype)
        self.network = frozen(pipe.unet, self.device, dtype).to(memory_format=torch.channels_last)
        self.scheduler_config = pipe.scheduler.config
        cells = self.network.config.sample_size
        self.latent_shape = (self.network.config.in_channels, cells, cells)
        side = float(cells * self.codec.pixels_per_latent)
        # Original size, crop corner, target size: of an uncropped image of the generated size.
        self.time_ids = torch.tensor(
            [[side, side, 0.0, 0.0, side, side]], device=self.device, dtype=dtype
        )
        self.empty_is_zero = bool(pipe.config.get("force_zeros_for_empty_prompt", True))

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        outputs = self.text.encode(prompts, tokens)
        context = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        pooled = outputs[-1].text_embeds
        if tokens is None and self.empty_is_zero:
            mask = self._not_empty(prompts).to(context.dtype)
            context, pooled = context * mask[:, None, None], pooled * mask[:, None]
        return Conditioning(context, pooled)

    def _not_empty(self, prompts: Prompts) -> Tensor:
        """Bool (b,): whether a prompt has words; the family was trained with zeros if not."""
        # An empty prompt has its end token right after the start token.
        return (prompts.ids[0][:, 1] != self.text.tokenizers[0].eos_token_id).to(self.device)

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        added = {
            "text_embeds": conditioning.pooled,
            "time_ids": self.time_ids.expand(len(latents), -1),
        }
        output = self.network(
            latents.to(self.dtype),
            timesteps,
            encoder_hidden_states=conditioning.context,
            added_cond_kwargs=added,
        )
        return at_least_float32(output.sample)
