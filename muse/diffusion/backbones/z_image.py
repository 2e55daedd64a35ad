"""Z-Image: a flow-matching transformer whose prompts are read by a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.diffusion.backbones.base import Conditioning, sizes_of
from muse.diffusion.backbones.codec import Codec, at_least_float32, frozen
from muse.diffusion.backbones.text_encoders import Prompts, TextEncoders, Windows
from muse.diffusion.prompt_lengths import Z_IMAGE_LENGTH
from muse.guidance.prompt_frame import frame_of, with_length
from muse.guidance.tokens import word_ids


class ZImage:
    """Emotional tokens stand in the user's message to the language model (arXiv 2511.22699).

    The scale of guidance is counted from 0, as in diffusers' pipeline of the family.
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
            raise ValueError("clip_skip has no effect on Z-Image, which has no CLIP")
        self.device, self.dtype = torch.device(device), dtype
        self.network = frozen(pipe.transformer, self.device, dtype)
        self.text = LanguageModel(pipe.tokenizer, pipe.text_encoder, self.device, dtype)
        self.codec = Codec(pipe.vae, tiny_vae, self.device, dtype)
        self.scheduler_config = pipe.scheduler.config
        self.embeds_guidance = False
        self.guidance_from_zero = self.even_sigmas = True
        self.sizes = sizes_of(self.network, pipe.vae)
        self.latent_shape = (self.network.config.in_channels, *self.codec.cells(self.sizes.own))

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        (context,) = self.text.encode(prompts, tokens)
        return Conditioning(context, lengths=self.text.lengths(prompts))

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        assert conditioning.lengths is not None, "the network is given each prompt without padding"
        lengths = conditioning.lengths.tolist()
        contexts = [row[:n] for row, n in zip(conditioning.context, lengths, strict=True)]
        # The network's time runs from noise, 0, to the image, 1, and so does its velocity.
        images = list(latents.to(self.dtype)[:, :, None].unbind())
        times = (1000 - timesteps) / 1000
        velocities = self.network(images, times, contexts, return_dict=False)[0]
        return -at_least_float32(torch.stack(velocities)[:, :, 0])


class LanguageModel(TextEncoders):
    """A causal language model; a prompt is a user's message in its chat template."""

    def __init__(self, tokenizer: Any, model: nn.Module, device: torch.device, dtype: torch.dtype):
        # The head that predicts words is not needed.
        pair = with_length(tokenizer, Z_IMAGE_LENGTH), getattr(model, "base_model", model)
        super().__init__([pair], device, dtype)
        self.frame = frame_of(self.tokenizers[0])

    def plain(self, prompts: Sequence[str], windows: Windows = None) -> Prompts:
        """Prompts without emotional tokens; as in diffusers, all that is too long is cut."""
        frame, rows = self.frame, []
        for prompt in prompts:
            words = word_ids(self.tokenizers[0], frame.opening + prompt)
            ids = [*frame.head, *words, *frame.tail][: frame.length]
            rows.append(ids + [frame.pad] * (frame.length - len(ids)))
        no_positions = torch.empty(len(rows), 0, dtype=torch.long)
        return Prompts((torch.tensor(rows, dtype=torch.long),), (no_positions,))

    def lengths(self, prompts: Prompts) -> Tensor:
        """Tokens (b,) of prompts, without those that pad; on the CPU."""
        # No other token has the id: special tokens in a prompt are read as text.
        return (prompts.ids[0] != self.frame.pad).sum(dim=1)

    def _encode(self, number: int, ids: Tensor) -> Tensor:
        """The context (b, length, d) of ids (b, length): the output before the last layer."""
        # What pads a prompt follows it, and cannot change what a causal model makes of it.
        mask = ids != self.frame.pad
        longest = int(mask.sum(dim=1).max())
        output = self.models[number](
            ids[:, :longest].to(self.device),
            attention_mask=mask[:, :longest].to(self.device),
            output_hidden_states=True,
            use_cache=False,
        )
        return F.pad(output.hidden_states[-2], (0, 0, 0, ids.shape[1] - longest))
