"""Prompts, and the text encoders that read them with emotional tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.codec import frozen
from muse.emotions import Target
from muse.guidance.fitted_tokens import FittedTokens
from muse.guidance.prompt_frame import PromptReader, inversion_ids
from muse.guidance.tokens import ids_with_tokens, initial_tokens, padded_ids, spliced
from muse.guidance.windows import Window, joined_ids, plain_windows, windows_with_tokens

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
        readers: of each encoder, how much of a prompt it reads.
        fitted: tokens to start with, where there are some.
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
        self.readers = tuple(map(PromptReader, self.tokenizers))
        self.models = [frozen(model, device, dtype) for _, model in pairs]
        self.tables = [word_embeddings(model) for model in self.models]
        self.widths = [table.embedding_dim for table in self.tables]
        self.device = device
        self.fitted: FittedTokens | None = None
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
        """Root mean square of the entries of an encoder's word embeddings, float32 (d,).

        Those of textual inversions do not count: a prompt without them is read as if they were not
        there.
        """
        sizes = []
        for tokenizer, table in zip(self.tokenizers, self.tables, strict=True):
            norms = table.weight.float().norm(dim=-1)
            if learned := inversion_ids(tokenizer):
                is_word = torch.ones(len(norms), dtype=torch.bool, device=norms.device)
                is_word[list(learned)] = False
                norms = norms[is_word]
            sizes.append(norms.mean() / table.embedding_dim**0.5)
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
        ids = [padded_ids(tokenizer, prompts) for tokenizer in self.tokenizers]
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
        """Initial emotional tokens, float32 (b, k, d): fitted ones (see `FittedTokens.start`), or
        words (see `initial_tokens`)."""
        pairs = zip(self.tokenizers, self.tables, strict=True)
        words = torch.cat(
            [initial_tokens(tokenizer, table, targets, count) for tokenizer, table in pairs], dim=-1
        )
        return words if self.fitted is None else self.fitted.start(targets, words)

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
