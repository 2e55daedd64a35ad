"""Stable Diffusion 3: a flow-matching diffusion transformer with two CLIPs and a T5."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.diffusion.backbones.base import Conditioning, sizes_of
from muse.diffusion.backbones.codec import Codec, at_least_float32, frozen
from muse.diffusion.backbones.text_encoders import Prompts, TextEncoders, Windows
from muse.diffusion.prompt_lengths import SD3_T5_LENGTH
from muse.diffusion.schedule.schedules import latent_scale
from muse.emotions import Target
from muse.guidance.prompt_frame import PromptReader, with_length
from muse.guidance.tokens import padded_ids


class StableDiffusion3:
    """Emotional tokens go to both CLIPs, words to the T5 (Esser et al., arXiv 2403.03206)."""

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
        t5 = None
        if pipe.text_encoder_3 is not None:
            t5 = pipe.tokenizer_3, pipe.text_encoder_3
        self.text = ClipsAndT5(pairs, t5, self.device, dtype)
        self.codec = Codec(
            pipe.vae, tiny_vae, self.device, dtype, latent_scale(pipe.scheduler.config)
        )
        self.network = frozen(pipe.transformer, self.device, dtype)
        self.scheduler_config = pipe.scheduler.config
        self.embeds_guidance = False
        self.guidance_from_zero = self.even_sigmas = False
        config = self.network.config
        self.sizes = sizes_of(self.network, pipe.vae)
        self.latent_shape = (config.in_channels, *self.codec.cells(self.sizes.own))
        self.width = config.joint_attention_dim

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        outputs = self.text.encode(prompts, tokens)
        # As in diffusers, negative prompts are read from the same layer whatever `clip_skip` is.
        layer = -2 - (self.clip_skip if prompts.absent is None else 0)
        clips = torch.cat([output.hidden_states[layer] for output in outputs], dim=-1)
        pooled = torch.cat([output.text_embeds for output in outputs], dim=-1)
        clips = F.pad(clips, (0, self.width - clips.shape[-1]))
        words = prompts.fixed
        if words is None:
            words = torch.zeros(len(clips), self.text.LONG, self.width, device=self.device)
        return Conditioning(torch.cat([clips, words], dim=1).to(self.dtype), pooled)

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        output = self.network(
            hidden_states=latents.to(self.dtype),
            timestep=timesteps,
            encoder_hidden_states=conditioning.context,
            pooled_projections=conditioning.pooled,
        )
        return at_least_float32(output.sample)


class ClipsAndT5(TextEncoders):
    """Two CLIPs that take emotional tokens, and a T5 that reads words alone.

    What the T5 makes of prompts depends on no token: it is computed once, as they are tokenised,
    and stays with them (`Prompts.fixed`).

    Attributes:
        t5: the encoder; None for a model without it.
    """

    LONG = SD3_T5_LENGTH
    """Length of the T5's part of the context; zeros without a T5, as in its training."""

    def __init__(
        self, pairs, t5: tuple[Any, nn.Module] | None, device: torch.device, dtype: torch.dtype
    ):
        super().__init__(pairs, device, dtype)
        self.t5_tokenizer: Any = None
        self.t5: nn.Module | None = None
        if t5 is not None:
            self.t5_tokenizer, self.t5 = t5[0], frozen(t5[1], device, dtype)
            clips = (PromptReader(tokenizer, whole=False) for tokenizer in self.tokenizers)
            words = with_length(self.t5_tokenizer, self.LONG)
            self.readers = (*clips, PromptReader(words, takes_tokens=False))

    @property
    def reads_windows(self) -> bool:
        """The T5 reads longer prompts."""
        return False

    def plain(self, prompts: list[str], windows: Windows = None) -> Prompts:
        return replace(super().plain(prompts, windows), fixed=self._read(prompts))

    def open(
        self,
        prompts: list[str],
        targets: list[Target],
        count: int,
        prompt_suffix: str,
        windows: Windows = None,
    ) -> Prompts:
        named = [
            f"{p}{prompt_suffix.replace('{emotion}', '')} {t.words()}".strip()
            for p, t in zip(prompts, targets, strict=True)
        ]
        opened = super().open(prompts, targets, count, prompt_suffix, windows)
        return replace(opened, fixed=self._read(named))

    def without_tokens(self) -> tuple[str, ...]:
        return () if self.t5 is None else ("t5",)

    @torch.no_grad()
    def _read(self, prompts: list[str]) -> Tensor | None:
        """The T5's part of the context, (b, LONG, width); None without a T5."""
        if self.t5 is None:
            return None
        ids = padded_ids(self.t5_tokenizer, prompts, self.LONG)
        with self.resident():
            output = self.t5(ids.to(self.device))
        words: Tensor = output.last_hidden_state
        return words
