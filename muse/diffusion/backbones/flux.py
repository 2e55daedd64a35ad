"""FLUX.1: a flow-matching transformer of packed latents, with a T5 and a CLIP's pooled vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.base import Conditioning, sizes_of
from muse.diffusion.backbones.codec import Codec, at_least_float32, frozen
from muse.diffusion.backbones.text_encoders import Prompts, TextEncoders
from muse.diffusion.prompt_lengths import flux_length
from muse.guidance.prompt_frame import PromptReader, with_length


class Flux:
    """Emotional tokens go to both encoders; the T5's output is the only sequence (FLUX.1, 2024).

    Where others are evaluated with and without the prompt, dev is given the scale of guidance as a
    number, and schnell needs none. Both may have real classifier-free guidance beside it
    (`Method.true_cfg_scale`).
    """

    def __init__(
        self,
        pipe,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        tiny_vae: nn.Module | None = None,
        clip_skip: int = 0,
    ):
        if clip_skip:
            raise ValueError("clip_skip has no effect on FLUX, which reads its prompts with a T5")
        self.device, self.dtype = torch.device(device), dtype
        self.network = frozen(pipe.transformer, self.device, dtype)
        config = self.network.config
        t5_tokenizer = with_length(pipe.tokenizer_2, flux_length(config))
        pairs = [(pipe.tokenizer, pipe.text_encoder), (t5_tokenizer, pipe.text_encoder_2)]
        self.text = TextEncoders(pairs, self.device, dtype)
        # Of a longer prompt the CLIP's pooled vector reads the beginning, as in diffusers.
        self.text.readers = (PromptReader(pipe.tokenizer, whole=False), PromptReader(t5_tokenizer))
        self.codec = Codec(pipe.vae, tiny_vae, self.device, dtype)
        self.scheduler_config = pipe.scheduler.config
        self.embeds_guidance = self.even_sigmas = True
        self.guidance_from_zero = False
        self.sizes = sizes_of(self.network, pipe.vae)
        self.latent_shape = (config.in_channels // 4, *self.codec.cells(self.sizes.own))

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        clip, t5 = self.text.encode(prompts, tokens)
        return Conditioning(t5.last_hidden_state, clip.pooler_output)

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        height, width = latents.shape[-2:]
        output = self.network(
            hidden_states=packed(latents).to(self.dtype),
            encoder_hidden_states=conditioning.context,
            pooled_projections=conditioning.pooled,
            timestep=timesteps / 1000,
            img_ids=image_ids(height // 2, width // 2).to(self.device),
            txt_ids=torch.zeros(conditioning.context.shape[1], 3, device=self.device),
            guidance=conditioning.guidance if self.network.config.guidance_embeds else None,
        )
        return at_least_float32(unpacked(output.sample, height, width))


def packed(latents: Tensor) -> Tensor:
    """Latents (b, c, h, w) as a sequence (b, h w / 4, 4 c) of patches of 2 x 2."""
    b, c, h, w = latents.shape
    patches = latents.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(b, (h // 2) * (w // 2), 4 * c)


def unpacked(patches: Tensor, height: int, width: int) -> Tensor:
    """Latents (b, c, height, width) of a sequence of patches; undoes `packed`."""
    b, _, channels = patches.shape
    grid = patches.view(b, height // 2, width // 2, channels // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(b, channels // 4, height, width)


def image_ids(rows: int, columns: int) -> Tensor:
    """The places (rows columns, 3) of patches in an image: zero, row and column."""
    grid = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack([torch.zeros(rows, columns), *grid], dim=-1)
    return places.reshape(rows * columns, 3)
