"""What surrounds a prompt in the token ids of a text encoder or a language model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, takewhile
from typing import Any
from unicodedata import normalize

PLACEHOLDER = "{prompt}"


@dataclass(frozen=True)
class PromptFrame:
    """The ids before and after a prompt.

    Attributes:
        head: before the prompt.
        opening: text that is read together with the prompt and follows `head`; a language model's
            tokens may reach across its end.
        tail: after the prompt; never cut off.
        length: of all ids with their padding.
        pad: the id that pads.
    """

    head: tuple[int, ...]
    opening: str
    tail: tuple[int, ...]
    length: int
    pad: int

    @property
    def room(self) -> int:
        """Ids between head and tail."""
        return self.length - len(self.head) - len(self.tail)


@dataclass(frozen=True)
class PromptReader:
    """A text encoder, as far as the lengths of prompts go.

    Attributes:
        tokenizer: with the length that the encoder reads.
        takes_tokens: whether emotional tokens, and the text before them, stand in its prompts.
        whole: whether a prompt counts as cut where this encoder does not read all of it.
    """

    tokenizer: Any
    takes_tokens: bool = True
    whole: bool = True


def with_length(tokenizer: Any, length: int) -> Any:
    """A copy of a tokenizer that pads and cuts prompts to `length` tokens."""
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = length
    return tokenizer


def is_chat(tokenizer: Any) -> bool:
    """Whether prompts are read as messages to a language model."""
    return bool(getattr(tokenizer, "chat_template", None))


def is_plain(tokenizer: Any, text: str) -> bool:
    """Whether the names of special tokens in a text are read as words (`split_special_tokens`).

    In diffusers a prompt that holds the name of an end marker, as `<|endoftext|>`, ends there. Here
    such a text is plain throughout, as far as its tokenizer can do that. In any other, special
    tokens are read as in diffusers: textual inversions among them, and `!`, with which Stable
    Diffusion XL pads its prompts.
    """
    return any(marker in text for marker in _markers(tokenizer))


@lru_cache(maxsize=16)
def _markers(tokenizer: Any) -> tuple[str, ...]:
    """The names of tokens that begin or end what is read."""
    # A message to a language model may be ended by several.
    if is_chat(tokenizer):
        return tuple(tokenizer.added_tokens_encoder)
    return tuple(filter(None, (tokenizer.bos_token, tokenizer.eos_token)))


def with_all_vectors(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """Ids in which the first vector of a textual inversion of several stands for all of them.

    The vectors of `<cat>` have the names `<cat>`, `<cat>_1`, `<cat>_2` ... among the tokens that
    were added to the tokenizer. As `maybe_convert_prompt` in diffusers, which replaces names in the
    text: there the name of one within that of another is replaced, too, and with the tokenizers of
    transformers 5 one with capitals is not.
    """
    vectors = vectors_of(tokenizer)
    if not vectors:
        return list(ids)
    every: list[int] = []
    for number in ids:
        every += vectors.get(number, (number,))
    return every


@lru_cache(maxsize=16)
def vectors_of(tokenizer: Any) -> dict[int, tuple[int, ...]]:
    """The textual inversions of a tokenizer that have several vectors: what stands for the id of
    the first."""
    added, vectors = tokenizer.added_tokens_encoder, {}
    for name, number in added.items():
        others = takewhile(added.__contains__, (f"{name}_{place}" for place in count(1)))
        if names := [*others]:
            # Between names T5 reads a space.
            read = tokenizer(" ".join([name, *names]), add_special_tokens=False).input_ids
            # One of two that are read alike is never read.
            if number in read:
                vectors[number] = tuple(read[read.index(number) :])
    return vectors


def as_read(text: str) -> str:
    """A text as the tokenizers of CLIP compare it with their tokens."""
    return normalize("NFC", text).lower()


def inversion_ids(tokenizer: Any) -> tuple[int, ...]:
    """The ids of textual inversions in the tokenizer of a text encoder: words that were added."""
    # A language model has words of its own among them.
    if is_chat(tokenizer):
        return ()
    added = tokenizer.added_tokens_decoder.items()
    return tuple(number for number, token in added if not token.special)


@lru_cache(maxsize=16)
def frame_of(tokenizer: Any) -> PromptFrame:
    """The frame of a tokenizer: start and end markers, or a language model's chat template.

    Raises:
        ValueError: a chat template that does not show a message once.
    """
    length, pad = tokenizer.model_max_length, tokenizer.pad_token_id
    if not is_chat(tokenizer):
        head = () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)
        return PromptFrame(head, "", (tokenizer.eos_token_id,), length, pad)
    message = tokenizer.apply_chat_template(
        [{"role": "user", "content": PLACEHOLDER}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=True,
    )
    if message.count(PLACEHOLDER) != 1:
        raise ValueError("the tokenizer's chat template does not show a prompt once")
    before, after = message.split(PLACEHOLDER)
    # Special tokens stand alone, whatever follows; other text is read together with the prompt.
    markers = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    end = max(before.rfind(marker) + len(marker) for marker in markers if marker in before)
    return PromptFrame(
        tuple(tokenizer(before[:end], add_special_tokens=False).input_ids),
        before[end:],
        tuple(tokenizer(after, add_special_tokens=False).input_ids),
        length,
        pad,
    )
