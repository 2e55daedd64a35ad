"""What surrounds a prompt in the token ids of a text encoder or a language model."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, takewhile
from typing import Any

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


def with_all_vectors(tokenizer: Any, text: str) -> str:
    """A text in which the name of a textual inversion of several vectors stands for all of them.

    As `maybe_convert_prompt` in diffusers: the vectors of `<cat>` have the names `<cat>`,
    `<cat>_1`, `<cat>_2` ... among the tokens that were added to the tokenizer. They are all read
    wherever the tokenizer reads the first; with the tokenizers of transformers 5 diffusers leaves
    the others out of a name with capitals.
    """
    lower = text.lower()
    found = [vectors for vectors in _vectors_of(tokenizer) if vectors.name.lower() in lower]
    if not found:
        return text
    # Of long texts transformers would warn.
    ids = {*tokenizer(text, add_special_tokens=False, verbose=False).input_ids}
    for vectors in found:
        if vectors.id in ids:
            text = vectors.all_names.join(vectors.in_text.split(text))
    return text


@dataclass(frozen=True)
class _Vectors:
    """A textual inversion of several vectors.

    Attributes:
        name, id: of its first vector.
        in_text: that name as its tokenizer finds it in a text.
        all_names: of all its vectors, with spaces between.
    """

    name: str
    id: int
    in_text: re.Pattern[str]
    all_names: str


@lru_cache(maxsize=16)
def _vectors_of(tokenizer: Any) -> tuple[_Vectors, ...]:
    """The textual inversions of a tokenizer that have several vectors."""
    added, vectors = tokenizer.added_tokens_encoder, []
    for name, number in added.items():
        others = takewhile(added.__contains__, (f"{name}_{place}" for place in count(1)))
        if names := [*others]:
            # CLIP reads words in lower case, T5 does not.
            as_other_case = tokenizer(name.swapcase(), add_special_tokens=False).input_ids
            case = re.IGNORECASE if number in as_other_case else re.NOFLAG
            in_text = re.compile(re.escape(name), case)
            vectors.append(_Vectors(name, number, in_text, " ".join([name, *names])))
    return tuple(vectors)


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
