"""Stable Diffusion 1.x and 2.x: a U-Net with one text encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.base import Conditioning, attention_mask, guidance_embedding, sizes_of
from muse.diffusion.backbones.codec import Codec, at_least_float32, frozen
from muse.diffusion.backbones.text_encoders import Prompts, TextEncoders
from muse.diffusion.schedule.schedules import latent_scale


class StableDiffusion:
    """Noise or velocity prediction, as its scheduler's configuration says."""

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
        masked = bool(getattr(pipe.text_encoder.config, "use_attention_mask", False))
        self.text = TextEncoders([(pipe.tokenizer, pipe.text_encoder)], self.device, dtype, masked)
        self.codec = Codec(
            pipe.vae, tiny_vae, self.device, dtype, latent_scale(pipe.scheduler.config)
        )
        self.network = frozen(pipe.unet, self.device, dtype).to(memory_format=torch.channels_last)
        self.scheduler_config = pipe.scheduler.config
        self.embeds_guidance = self.network.config.time_cond_proj_dim is not None
        self.guidance_from_zero = self.even_sigmas = False
        self.sizes = sizes_of(self.network, pipe.vae)
        self.latent_shape = (self.network.config.in_channels, *self.codec.cells(self.sizes.own))

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        (output,) = self.text.encode(prompts, tokens)
        context = output.last_hidden_state
        # As in diffusers, negative prompts are read from the last layer all the same.
        if self.clip_skip and prompts.absent is None:
            encoder = self.text.models[0]
            # Before transformers 5 the encoder lay one level deeper.
            normalise = getattr(encoder, "text_model", encoder).final_layer_norm
            context = normalise(output.hidden_states[-1 - self.clip_skip])
        return Conditioning(context, lengths=self.text.lengths(prompts))

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        output = self.network(
            latents.to(self.dtype),
            timesteps,
            encoder_hidden_states=conditioning.context,
            encoder_attention_mask=attention_mask(conditioning),
            timestep_cond=guidance_embedding(self.network, conditioning),
        )
        return at_least_float32(output.sample)
