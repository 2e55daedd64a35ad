"""The protocol of diffusion models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.codec import Codec
from muse.diffusion.backbones.text_encoders import Prompts, TextEncoders
from muse.sizes import ModelSizes, Size


@dataclass(frozen=True)
class Conditioning:
    """What a network is given besides latents and timesteps.

    Attributes:
        context: (b, length, d), the encoded prompts.
        pooled: (b, p), in some families.
        guidance: (b,), the scale of classifier-free guidance, for networks that were distilled to
            be given it (see `Backbone.embeds_guidance`).
        lengths: int64 (b,) on the CPU, of each row's prompt in `context`, for networks that are
            given it without padding; None for others.
    """

    context: Tensor
    pooled: Tensor | None = None
    guidance: Tensor | None = None
    lengths: Tensor | None = None

    def rows(self, index: Tensor) -> Conditioning:
        pooled = None if self.pooled is None else self.pooled[index]
        guidance = None if self.guidance is None else self.guidance[index]
        lengths = None if self.lengths is None else self.lengths[index.cpu()]
        return Conditioning(self.context[index], pooled, guidance, lengths)

    def guided(self, scale: Tensor | None) -> Conditioning:
        """The same with scales of guidance (b,), which the network is given; None for others."""
        return replace(self, guidance=scale)

    @classmethod
    def cat(cls, parts: Sequence[Conditioning]) -> Conditioning:
        pooled = [part.pooled for part in parts if part.pooled is not None]
        guidance = [part.guidance for part in parts if part.guidance is not None]
        lengths = [part.lengths for part in parts if part.lengths is not None]
        return cls(
            torch.cat([part.context for part in parts]),
            torch.cat(pooled) if pooled else None,
            torch.cat(guidance) if guidance else None,
            torch.cat(lengths) if lengths else None,
        )


class Backbone(Protocol):
    """A frozen diffusion model. Tensors are on `device`; latents, tokens and outputs are float32.

    Attributes:
        device: of all weights and tensors.
        network: the U-Net or transformer.
        text: the text encoders.
        codec: between pixels and latents.
        latent_shape: (channels, height, width) of the latents of an image of the model's own size.
        sizes: of the images that it makes.
        scheduler_config: of the model's own scheduler, with its `_class_name`.
        embeds_guidance: the network is given the scale of guidance, or needs none, and is evaluated
            once a step.
        guidance_from_zero: the family's own pipeline counts the scale of guidance from 0: 0 is
            none, as 1 is for all others.
        even_sigmas: see `muse.diffusion.schedule.flow_shift.flow_timesteps`.
    """

    device: torch.device
    network: nn.Module
    text: TextEncoders
    codec: Codec
    latent_shape: tuple[int, int, int]
    sizes: ModelSizes
    scheduler_config: Mapping[str, Any]
    embeds_guidance: bool
    guidance_from_zero: bool
    even_sigmas: bool

    def embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        """Conditioning of prompts, with emotional tokens (b, k, d) at their positions."""
        ...

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The network's output (b, c, h, w) for latents of that shape, at timesteps (b,)."""
        ...


def sizes_of(network: nn.Module, vae: nn.Module) -> ModelSizes:
    """The sizes of images that a network makes with a VAE.

    Raises:
        ValueError: their configurations do not say.
    """
    sizes = ModelSizes.of(network.config, vae.config)
    if sizes is None:
        raise ValueError(
            f"the configuration of {type(network).__name__} has sample_size "
            f"{network.config.get('sample_size')!r}; give a whole number, or [height, width]"
        )
    return sizes


def latent_shape_of(backbone: Backbone, size: Size | None = None) -> tuple[int, int, int]:
    """(channels, height, width) of the latents of an image of this size; None for the own one."""
    return backbone.latent_shape[0], *backbone.codec.cells(size or backbone.sizes.own)


def guidance_embedding(network: nn.Module, conditioning: Conditioning) -> Tensor | None:
    """The embedding (b, d) of the guidance scale w for a U-Net that takes it; None for others.

    Sines and cosines of 1000 (w - 1), as those of timesteps (Meng et al., arXiv 2210.03142).
    """
    width = network.config.time_cond_proj_dim
    if width is None:
        return None
    assert conditioning.guidance is not None, "such a network is given the scale of guidance"
    half = width // 2
    steps = torch.arange(half, device=conditioning.guidance.device, dtype=torch.float32)
    frequencies = torch.exp(-math.log(10000.0) / (half - 1) * steps)
    angles = 1000.0 * (conditioning.guidance[:, None] - 1) * frequencies[None]
    embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
    return nn.functional.pad(embedding, (0, width % 2)).to(conditioning.context.dtype)


def attention_mask(conditioning: Conditioning) -> Tensor | None:
    """What a U-Net may attend to, bool (b, length), where prompts differ in length; else None."""
    if conditioning.lengths is None:
        return None
    places = torch.arange(conditioning.context.shape[1])
    return (places < conditioning.lengths[:, None]).to(conditioning.context.device)


def move(part: Backbone | TextEncoders | Codec, device: torch.device) -> None:
    """Move a diffusion model, or a part of one, to a device, in place.

    Text encoders that are kept off the device stay where they are.
    """
    off_device = getattr(part, "off_device", ())
    for name, value in vars(part).items():
        if isinstance(value, nn.Module) and name not in off_device:
            value.to(device)
        elif isinstance(value, TextEncoders | Codec) or hasattr(value, "predict"):
            move(value, device)
        elif isinstance(value, Tensor):
            setattr(part, name, value.to(device))
        elif isinstance(value, torch.device):
            setattr(part, name, device)
        elif isinstance(value, list):
            for module in (member for member in value if isinstance(member, nn.Module)):
                module.to(device)
