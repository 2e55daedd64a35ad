"""The protocol of diffusion models, and the parts that all families share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from muse.emotions import Target
from muse.guidance.tokens import ids_with_tokens, initial_tokens, spliced


@dataclass(frozen=True)
class Prompts:
    """Tokenised prompts, for one or more text encoders.

    Attributes:
        ids: for each encoder int64 (b, length), padded.
        positions: for each encoder int64 (b, k), of its emotional tokens; k is 0 in a plain prompt.
        absent: of negative prompts bool (b,), rows without one, not even an empty text; None for
            other prompts.
    """

    ids: tuple[Tensor, ...]
    positions: tuple[Tensor, ...]
    absent: Tensor | None = None

    def rows(self, index: Tensor) -> Prompts:
        return Prompts(
            tuple(ids[index] for ids in self.ids),
            tuple(positions[index] for positions in self.positions),
            None if self.absent is None else self.absent[index],
        )


@dataclass(frozen=True)
class Conditioning:
    """What a network is told besides latents and timesteps.

    Attributes:
        context: (b, length, d), the encoded prompts.
        pooled: (b, p), in some families.
        guidance: (b,), the scale of classifier-free guidance, for networks that were distilled to
            be told it (see `Backbone.embeds_guidance`).
    """

    context: Tensor
    pooled: Tensor | None = None
    guidance: Tensor | None = None

    def rows(self, index: Tensor) -> Conditioning:
        pooled = None if self.pooled is None else self.pooled[index]
        guidance = None if self.guidance is None else self.guidance[index]
        return Conditioning(self.context[index], pooled, guidance)

    def guided(self, scale: Tensor | None) -> Conditioning:
        """The same with scales of guidance (b,), of which the network is told; None for others."""
        return replace(self, guidance=scale)

    @classmethod
    def cat(cls, parts: Sequence[Conditioning]) -> Conditioning:
        pooled = [part.pooled for part in parts if part.pooled is not None]
        guidance = [part.guidance for part in parts if part.guidance is not None]
        return cls(
            torch.cat([part.context for part in parts]),
            torch.cat(pooled) if pooled else None,
            torch.cat(guidance) if guidance else None,
        )


class Backbone(Protocol):
    """A frozen diffusion model. Tensors are on `device`; latents, tokens and outputs are float32.

    Attributes:
        device: of all weights and tensors.
        network: the U-Net or transformer.
        text: the text encoders.
        codec: between pixels and latents.
        latent_shape: (channels, height, width) of one image's latents.
        scheduler_config: of the model's own scheduler, with its `_class_name`.
        embeds_guidance: the network is told the scale of guidance, and evaluated once a step.
    """

    device: torch.device
    network: nn.Module
    text: TextEncoders
    codec: Codec
    latent_shape: tuple[int, int, int]
    scheduler_config: Mapping[str, Any]
    embeds_guidance: bool

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        """Conditioning of prompts, with emotional tokens (b, k, d) at their positions."""
        ...

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The network's output (b, c, h, w) for latents of that shape, at timesteps (b,)."""
        ...


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32; float64 as it is."""
    return values if values.dtype == torch.float64 else values.float()


def guidance_embedding(network: nn.Module, conditioning: Conditioning) -> Tensor | None:
    """What a U-Net that embeds the guidance scale w is told of it, (b, d); None for others.

    Sines and cosines of 1000 (w - 1), as those of timesteps (Meng et al., arXiv 2210.03142).
    """
    width = network.config.time_cond_proj_dim
    if width is None:
        return None
    assert conditioning.guidance is not None, "such a network is told the scale of guidance"
    half = width // 2
    steps = torch.arange(half, device=conditioning.guidance.device, dtype=torch.float32)
    frequencies = torch.exp(-math.log(10000.0) / (half - 1) * steps)
    angles = 1000.0 * (conditioning.guidance[:, None] - 1) * frequencies[None]
    embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
    return nn.functional.pad(embedding, (0, width % 2)).to(conditioning.context.dtype)


def frozen(part: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The module on that device in that dtype, in evaluation mode, without gradients of weights."""
    part = part.requires_grad_(False).eval()
    if getattr(part, "_keep_in_fp32_modules", None):
        return part.to(device=device, dtype=dtype)
    # diffusers' own `to` warns of a cast also where no layer has to stay in float32.
    return nn.Module.to(part, device=device, dtype=dtype)


class TextEncoders:
    """One or more text encoders with common emotional tokens.

    The dimension d of a token is the sum of the encoders' widths.

    Args:
        masked: let the encoders not attend to what follows the end of a prompt.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Any, nn.Module]],
        device: torch.device,
        dtype: torch.dtype,
        masked: bool = False,
    ):
        self.masked = masked
        self.tokenizers = [tokenizer for tokenizer, _ in pairs]
        self.models = [frozen(model, device, dtype) for _, model in pairs]
        self.tables = [model.get_input_embeddings() for model in self.models]
        self.widths = [table.embedding_dim for table in self.tables]
        self.device = device

    @property
    def scale(self) -> Tensor:
        """Root mean square of the entries of an encoder's word embeddings, float32 (d,)."""
        sizes = [
            table.weight.float().norm(dim=-1).mean() / table.embedding_dim**0.5
            for table in self.tables
        ]
        return torch.cat(
            [size.expand(width) for size, width in zip(sizes, self.widths, strict=True)]
        )

    def negative(self, prompts: Sequence[str | None]) -> Prompts:
        """Negative prompts; one that is None is read as an empty text, and noted as `absent`."""
        absent = torch.tensor([prompt is None for prompt in prompts])
        return replace(self.plain([prompt or "" for prompt in prompts]), absent=absent)

    def plain(self, prompts: list[str]) -> Prompts:
        """Prompts without emotional tokens."""
        ids = [
            tokenizer(
                prompts,
                padding="max_length",
                truncation=True,
                split_special_tokens=True,
                return_tensors="pt",
            ).input_ids
            for tokenizer in self.tokenizers
        ]
        no_positions = torch.empty(len(prompts), 0, dtype=torch.long)
        return Prompts(tuple(ids), (no_positions,) * len(ids))

    def open(
        self, prompts: list[str], targets: list[Target], count: int, prompt_suffix: str
    ) -> Prompts:
        """Prompts with emotional tokens; see `muse.guidance.tokens.ids_with_tokens`."""
        opened = [
            ids_with_tokens(tokenizer, prompts, targets, count, prompt_suffix)
            for tokenizer in self.tokenizers
        ]
        return Prompts(tuple(ids for ids, _ in opened), tuple(positions for _, positions in opened))

    def start(self, targets: list[Target], count: int) -> Tensor:
        """Initial emotional tokens, float32 (b, k, d); see `initial_tokens`."""
        pairs = zip(self.tokenizers, self.tables, strict=True)
        return torch.cat(
            [initial_tokens(tokenizer, table, targets, count) for tokenizer, table in pairs], dim=-1
        )

    def encode(self, prompts: Prompts, tokens: Tensor | None = None) -> list[Any]:
        """The output of every encoder, with all its hidden states."""
        outputs = []
        parts = [None] * len(self.models) if tokens is None else tokens.split(self.widths, dim=-1)
        for number, (ids, positions, part) in enumerate(
            zip(prompts.ids, prompts.positions, parts, strict=True)
        ):
            splice = (
                nullcontext() if part is None else spliced(self.tables[number], positions, part)
            )
            with splice:
                outputs.append(self._encode(number, ids))
        return outputs

    def _encode(self, number: int, ids: Tensor) -> Any:
        """The output of one encoder for ids (b, length)."""
        mask = None
        if self.masked:
            # A prompt ends with its first end marker; what pads it may be the same token.
            is_end = ids == self.tokenizers[number].eos_token_id
            ends = is_end.int().argmax(dim=1, keepdim=True)
            mask = (torch.arange(ids.shape[1]) <= ends).long().to(self.device)
        return self.models[number](
            ids.to(self.device), attention_mask=mask, output_hidden_states=True
        )


class Codec:
    """Between pixels in [0, 1] and latents, through a frozen VAE.

    Args:
        tiny_vae: an approximate decoder (`AutoencoderTiny`, the TAESD family) for the inner loop
            and for WHEN; None for the VAE there, too.
        scale: the latents of the model's pipeline over those that are denoised here (see
            `muse.diffusion.schedules.latent_scale`).
    """

    def __init__(
        self,
        vae: nn.Module,
        tiny_vae: nn.Module | None,
        device: torch.device,
        dtype: torch.dtype,
        scale: float = 1.0,
    ):
        # SDXL's first VAE overflows in half precision; its config says so.
        exact = (
            torch.float32
            if dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
            else dtype
        )
        self.vae = frozen(vae, device, exact).to(memory_format=torch.channels_last)
        self.tiny = (
            None
            if tiny_vae is None
            else frozen(tiny_vae, device, dtype).to(memory_format=torch.channels_last)
        )
        self.pixels_per_latent = 2 ** (len(vae.config.block_out_channels) - 1)
        self.shift: Tensor | float = getattr(vae.config, "shift_factor", None) or 0.0
        self.dtype, self.scale = exact, scale
        # Statistics of each channel, by which some VAEs' latents are normalised.
        mean, spread = (getattr(vae.config, f"latents_{name}", None) for name in ("mean", "std"))
        self.spread: Tensor | float = scale
        if mean is not None and spread is not None:
            self.shift = self.shift + torch.tensor(mean, device=device).view(1, -1, 1, 1)
            self.spread = scale * torch.tensor(spread, device=device).view(1, -1, 1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels float32 (b, 3, h, w), about [0, 1], not clamped."""
        scaled = latents * self.spread / self.vae.config.scaling_factor + self.shift
        return at_least_float32(self.vae.decode(scaled.to(self.dtype)).sample) / 2 + 0.5

    def decode_draft(self, latents: Tensor) -> Tensor:
        """As `decode`, by the tiny decoder if there is one."""
        if self.tiny is not None:
            scaled = (latents * self.scale).to(self.tiny.dtype)
            return at_least_float32(self.tiny.decode(scaled).sample) / 2 + 0.5
        return self.decode(latents)

    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (the mean of the posterior), float32, of pixels (b, 3, h, w) in [0, 1]."""
        mean = at_least_float32(self.vae.encode((pixels * 2 - 1).to(self.dtype)).latent_dist.mean)
        return (mean - self.shift) * self.vae.config.scaling_factor / self.spread


def move(part: Backbone | TextEncoders | Codec, device: torch.device) -> None:
    """Move a diffusion model, or a part of one, to a device, in place."""
    for name, value in vars(part).items():
        if isinstance(value, nn.Module):
            value.to(device)
        elif isinstance(value, TextEncoders | Codec):
            move(value, device)
        elif isinstance(value, Tensor):
            setattr(part, name, value.to(device))
        elif isinstance(value, torch.device):
            setattr(part, name, device)
        elif isinstance(value, list):
            for module in (member for member in value if isinstance(member, nn.Module)):
                module.to(device)
