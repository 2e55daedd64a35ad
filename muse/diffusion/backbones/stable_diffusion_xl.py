"""Stable Diffusion XL: a U-Net with two text encoders, a pooled vector and the image size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.base import Conditioning, attention_mask, guidance_embedding, sizes_of
from muse.diffusion.backbones.codec import Codec, at_least_float32, frozen
from muse.diffusion.backbones.text_encoders import Prompts, TextEncoders
from muse.diffusion.schedule.schedules import latent_scale


class StableDiffusionXL:
    """The context is the penultimate layer of both encoders (Podell et al., arXiv 2307.01952)."""

    def __init__(
        self,
        pipe,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        tiny_vae: nn.Module | None = None,
        clip_skip: int = 0,
    ):
        self.clip_skip = clip_skip
        self.device, self.dtype = torch.device(device), dtype
        pairs = [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]
        self.text = TextEncoders(pairs, self.device, dtype)
        self.codec = Codec(
            pipe.vae, tiny_vae, self.device, dtype, latent_scale(pipe.scheduler.config)
        )
        self.network = frozen(pipe.unet, self.device, dtype).to(memory_format=torch.channels_last)
        self.scheduler_config = pipe.scheduler.config
        self.embeds_guidance = self.network.config.time_cond_proj_dim is not None
        self.guidance_from_zero = self.even_sigmas = False
        self.sizes = sizes_of(self.network, pipe.vae)
        self.latent_shape = (self.network.config.in_channels, *self.codec.cells(self.sizes.own))
        # The family was trained with zeros for no prompt; an empty one is encoded as any other.
        self.absent_is_zero = bool(pipe.config.get("force_zeros_for_empty_prompt", True))

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        outputs = self.text.encode(prompts, tokens)
        # As in diffusers, negative prompts are read from the same layer whatever `clip_skip` is.
        layer = -2 - (self.clip_skip if prompts.absent is None else 0)
        context = torch.cat([output.hidden_states[layer] for output in outputs], dim=-1)
        # A prompt has one pooled vector; that of the cut one has seen its beginning and the tokens.
        short = outputs if prompts.cut is None else self.text.encode(prompts.cut, tokens)
        pooled = short[-1].text_embeds
        if prompts.absent is not None and self.absent_is_zero:
            mask = (~prompts.absent).to(context)
            context, pooled = context * mask[:, None, None], pooled * mask[:, None]
        return Conditioning(context, pooled, lengths=self.text.lengths(prompts))

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        added = {
            "text_embeds": conditioning.pooled,
            "time_ids": self._time_ids(latents),
        }
        output = self.network(
            latents.to(self.dtype),
            timesteps,
            encoder_hidden_states=conditioning.context,
            encoder_attention_mask=attention_mask(conditioning),
            added_cond_kwargs=added,
            timestep_cond=guidance_embedding(self.network, conditioning),
        )
        return at_least_float32(output.sample)

    def _time_ids(self, latents: Tensor) -> Tensor:
        """Original size, crop corner and target size (b, 6), each as height and width in pixels.

        They are those of an uncropped image of the size that is made.
        """
        height, width = (count * self.codec.pixels_per_latent for count in latents.shape[-2:])
        sizes = torch.tensor([[height, width, 0, 0, height, width]], dtype=self.dtype)
        return sizes.to(latents.device).expand(len(latents), -1)
