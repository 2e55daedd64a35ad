"""The protocol of diffusion models, their prompts and text encoders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.codec import Codec, frozen
from muse.emotions import Target
from muse.guidance.tokens import ids_with_tokens, initial_tokens, spliced
from muse.guidance.windows import Window, joined_ids, plain_windows, windows_with_tokens
from muse.sizes import ModelSizes, Size

Windows = Sequence[int] | None
"""In how many windows each prompt is read; None to cut what is longer than one."""


@dataclass(frozen=True)
class Prompts:
    """Tokenised prompts, for one or more text encoders.

    Attributes:
        ids: for each encoder int64 (b, length), padded.
        positions: for each encoder int64 (b, k), of its emotional tokens; k is 0 in a plain prompt.
        absent: of negative prompts bool (b,), rows without one, not even an empty text; None for
            other prompts.
        fixed: (b, length, d), what an encoder that takes no emotional tokens has made of them; None
            in families without such an encoder.
        windows: int64 (b,), in how many windows each row is read (see `muse.guidance.windows`),
            where any is read in several; the others have empty ones, to which nothing attends.
        cut: then the same prompts, cut to the length of one window.
    """

    ids: tuple[Tensor, ...]
    positions: tuple[Tensor, ...]
    absent: Tensor | None = None
    fixed: Tensor | None = None
    windows: Tensor | None = None
    cut: Prompts | None = None

    def rows(self, index: Tensor) -> Prompts:
        return Prompts(
            tuple(ids[index] for ids in self.ids),
            tuple(positions[index] for positions in self.positions),
            None if self.absent is None else self.absent[index],
            None if self.fixed is None else self.fixed[index],
            None if self.windows is None else self.windows[index],
            None if self.cut is None else self.cut.rows(index),
        )


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
        even_sigmas: see `muse.diffusion.flow_shift.flow_timesteps`.
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
    size, factor = size or backbone.sizes.own, backbone.codec.pixels_per_latent
    return backbone.latent_shape[0], size.height // factor, size.width // factor


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


@dataclass(frozen=True)
class Encoded:
    """The output of a text encoder for prompts that are read in windows, as transformers names it.

    Attributes:
        last_hidden_state: (b, length, d), windows after each other.
        hidden_states: as many, of all layers.
    """

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...]


class TextEncoders:
    """One or more text encoders with common emotional tokens.

    The dimension d of a token is the sum of the encoders' widths.

    Args:
        masked: let the encoders not attend to what follows the end of a prompt.

    Attributes:
        whole: the tokenizers of the encoders that read prompts whole, or a prompt counts as cut.
        off_device: names of those `without_tokens` that are on the host while no prompt is read.
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
        self.whole = tuple(self.tokenizers)
        self.models = [frozen(model, device, dtype) for _, model in pairs]
        self.tables = [word_embeddings(model) for model in self.models]
        self.widths = [table.embedding_dim for table in self.tables]
        self.device = device
        self.off_device: tuple[str, ...] = ()

    def without_tokens(self) -> tuple[str, ...]:
        """Attributes that are encoders without emotional tokens: each prompt needs them once."""
        return ()

    @contextmanager
    def resident(self) -> Iterator[None]:
        """Have the encoders on the device that are otherwise kept off it (`off_device`)."""
        names, self.off_device = self.off_device, ()
        for name in names:
            getattr(self, name).to(self.device)
        try:
            yield
        finally:
            for name in names:
                getattr(self, name).to("cpu")
            self.off_device = names

    @property
    def reads_windows(self) -> bool:
        """Whether longer prompts can be read in windows (see `muse.guidance.windows`)."""
        return all("CLIP" in type(tokenizer).__name__ for tokenizer in self.tokenizers)

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

    def negative(self, prompts: Sequence[str | None], windows: Windows = None) -> Prompts:
        """Negative prompts; one that is None is read as an empty text, and noted as `absent`."""
        absent = torch.tensor([prompt is None for prompt in prompts])
        return replace(self.plain([prompt or "" for prompt in prompts], windows), absent=absent)

    def plain(self, prompts: list[str], windows: Windows = None) -> Prompts:
        """Prompts without emotional tokens.

        Args:
            windows: in how many windows each is read; None to cut what is longer than one.
        """
        if windows is not None and max(windows) > 1:
            return self._in_windows(self.plain(prompts), windows, partial(_plain, prompts))
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
        self,
        prompts: list[str],
        targets: list[Target],
        count: int,
        prompt_suffix: str,
        windows: Windows = None,
    ) -> Prompts:
        """Prompts with emotional tokens; see `muse.guidance.tokens.ids_with_tokens`.

        Args:
            windows: as for `plain`.
        """
        if windows is not None and max(windows) > 1:
            cut = self.open(prompts, targets, count, prompt_suffix)
            rows = partial(_opened, prompts, targets, count, prompt_suffix)
            return self._in_windows(cut, windows, rows)
        opened = [
            ids_with_tokens(tokenizer, prompts, targets, count, prompt_suffix)
            for tokenizer in self.tokenizers
        ]
        return Prompts(tuple(ids for ids, _ in opened), tuple(positions for _, positions in opened))

    def _in_windows(
        self,
        cut: Prompts,
        windows: Sequence[int],
        rows_of: Callable[[Any], list[tuple[list[Window], list[int]]]],
    ) -> Prompts:
        """Prompts that are read in windows.

        Args:
            cut: the same ones, cut to one window.
            windows: of each.
            rows_of: the windows of each prompt under a tokenizer, and the positions of its tokens.
        """
        ids, positions = [], []
        for tokenizer in self.tokenizers:
            rows = rows_of(tokenizer)
            ids.append(joined_ids(tokenizer, [row for row, _ in rows], max(windows)))
            positions.append(torch.tensor([places for _, places in rows], dtype=torch.long))
        counts = torch.tensor(windows)
        return Prompts(tuple(ids), tuple(positions), windows=counts, cut=cut)

    def lengths(self, prompts: Prompts) -> Tensor | None:
        """How much of the context each row attends to; None for all of it."""
        if prompts.windows is None:
            return None
        return prompts.windows * self.tokenizers[0].model_max_length

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
        """The output of one encoder for ids (b, length), or for those of several windows."""
        length = self.tokenizers[number].model_max_length
        if ids.shape[1] > length:
            read = self._encode(number, ids.view(-1, length))
            joined = [states.reshape(*ids.shape, -1) for states in read.hidden_states]
            last = read.last_hidden_state.reshape(*ids.shape, -1)
            return Encoded(last, tuple(joined))
        mask = None
        if self.masked:
            # A prompt ends with its first end marker; what pads it may be the same token.
            is_end = ids == self.tokenizers[number].eos_token_id
            ends = is_end.int().argmax(dim=1, keepdim=True)
            mask = (torch.arange(ids.shape[1]) <= ends).long().to(self.device)
        return self.models[number](
            ids.to(self.device), attention_mask=mask, output_hidden_states=True
        )


def _plain(prompts: Sequence[str], tokenizer: Any) -> list[tuple[list[Window], list[int]]]:
    return [(plain_windows(tokenizer, prompt), []) for prompt in prompts]


def _opened(
    prompts: Sequence[str], targets: Sequence[Target], count: int, suffix: str, tokenizer: Any
) -> list[tuple[list[Window], list[int]]]:
    rows = []
    for prompt, target in zip(prompts, targets, strict=True):
        windows, first = windows_with_tokens(tokenizer, prompt, target, count, suffix)
        rows.append((windows, [*range(first, first + count)]))
    return rows


def word_embeddings(model: nn.Module) -> Any:
    """The module that an encoder looks up its word embeddings in."""
    # A T5 encoder names another module, which only shares its weights.
    own = getattr(getattr(model, "encoder", None), "embed_tokens", None)
    return model.get_input_embeddings() if own is None else own


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
