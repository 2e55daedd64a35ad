"""Prompts that are longer than a text encoder reads: how many tokens are lost, and which words.

This module imports no torch before a prompt is measured.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from muse.emotions import Target, Taxonomy
from muse.guidance.prompt_frame import PromptReader
from muse.guidance.timing import may_start
from muse.method import Method

MAX_PROMPTS_SHOWN = 5
"""Prompts that a warning lists."""

MAX_SHOWN = 60
"""Characters of the words that are lost of a prompt."""

WORD = re.compile(r"[^ \t\r\n]+")
"""What stands between white space. Python also splits at characters that no tokenizer splits at, as
U+001F: some read it, others leave it out."""

MAX_WORDS = 1 << 17
"""Words whose number of tokens is remembered."""


class PromptLengths:
    """Measures prompts, and keeps those that are cut.

    Args:
        readers: the encoders that read them.
        noun: what has a prompt, in the words of the warning.
        negative: whether they are negative prompts, which have no emotional tokens.
        shown_by: the command that shows what is lost, where the warning is to name it instead.

    Attributes:
        first: the first of those that are cut, by number, each with how much of it is lost.
        cut: how many prompts lose so many tokens.
    """

    def __init__(
        self,
        readers: Iterable[PromptReader],
        method: Method,
        taxonomy: Taxonomy,
        noun: str = "row",
        negative: bool = False,
        shown_by: str = "",
    ):
        self.noun, self.negative, self.shown_by = noun, negative, shown_by
        self.first: list[tuple[int, str]] = []
        self.cut: Counter[int] = Counter()
        self._is_cut = method.long_prompts == "truncate"
        has_tokens = not negative and may_start(method)
        self._rooms = [_Room(reader, method, taxonomy, has_tokens) for reader in readers]

    def add(self, number: int, prompt: str, emotions: Sequence[Mapping[str, float]] = ()) -> None:
        """Measure a prompt, which is generated for each of these emotions (weights by name).

        Raises:
            ValueError: not even the emotional tokens have room in an encoder.
        """
        lost = 0
        longest: _Room | None = None
        for room in self._rooms:
            least = room.least(emotions)
            # In windows, no prompt is too long.
            if not (self._is_cut and room.reader.whole):
                continue
            if (beyond := room.tokens(prompt) - least) > lost:
                lost, longest = beyond, room
        if longest is None:
            return
        self.cut[lost] += 1
        # Only what is listed is put into words.
        if len(self.first) < MAX_PROMPTS_SHOWN:
            self.first.append((number, longest.in_words(prompt, lost)))

    @property
    def count(self) -> int:
        """How many prompts are cut."""
        return self.cut.total()

    @property
    def warning(self) -> str | None:
        """What is cut, with the first prompts or their numbers; None if nothing is."""
        if not self.count:
            return None
        more = self.count - len(self.first)
        # A prompt that stands in several rows counts in each of them.
        whose = f"{self.count} {self.noun}(s)"
        if self.negative:
            whose = f"the negative prompts of {whose}"
        elif self.noun != "prompt":
            whose = f"the prompts of {whose}"
        fact = f"{whose} are longer than the text encoder reads; their ends are cut off"
        if self.shown_by:
            numbers = ", ".join(str(number) for number, _ in self.first)
            numbers += ", ..." if more else ""
            noun = self.noun if self.count == 1 else f"{self.noun}s"
            return f"{fact} ({noun} {numbers}). {self.shown_by} shows what is lost"
        listed = "; ".join(f"{self.noun} {number}: {what}" for number, what in self.first)
        listed += f"; and {more} more {self.noun}s" if more else ""
        return (
            f"{fact}: {listed}. "
            "Shorten them, or what differs in their ends alone gives the same image; Stable "
            'Diffusion 1.x, 2.x and XL also read windows (method.long_prompts = "chunk")'
        )


class _Room:
    """How many tokens an encoder leaves to a prompt, and how many a prompt has.

    Args:
        has_tokens: whether emotional tokens follow the prompts, in encoders that take them.
    """

    def __init__(self, reader: PromptReader, method: Method, taxonomy: Taxonomy, has_tokens: bool):
        self.reader, self.tokenizer = reader, reader.tokenizer
        self.method, self.taxonomy = method, taxonomy
        self.has_tokens = has_tokens and reader.takes_tokens
        self.rooms: dict[tuple[tuple[str, float], ...], int] = {}
        self.tokens_of_word = lru_cache(MAX_WORDS)(self._tokens_of_word)

    def tokens(self, prompt: str) -> int:
        """Tokens of a prompt. Byte pair encoding joins nothing across white space."""
        return sum(map(self.tokens_of_word, WORD.findall(prompt)))

    def room(self, emotion: Mapping[str, float]) -> int:
        """Tokens that a prompt for this emotion may have."""
        key = tuple(emotion.items())
        if key not in self.rooms:
            from muse.guidance.tokens import lost_tokens

            # Too long whatever the emotion: what is not lost of it is the room.
            prompt = "a " * self.tokenizer.model_max_length
            target = Target.of(emotion, self.taxonomy) if self.has_tokens else None
            method = self.method
            lost = lost_tokens(self.tokenizer, prompt, target, method.tokens, method.prompt_suffix)
            self.rooms[key] = self.tokens(prompt) - lost
        return self.rooms[key]

    def least(self, emotions: Sequence[Mapping[str, float]]) -> int:
        """Tokens that a prompt for each of these emotions may have."""
        return min(map(self.room, emotions)) if self.has_tokens else self.room({})

    def in_words(self, prompt: str, lost: int) -> str:
        """How long a prompt is, how much of it is read, and which words are not."""
        tokens, limit = self.tokens(prompt), self.tokenizer.model_max_length
        words, read = WORD.findall(prompt), tokens - lost
        ends = list(itertools.accumulate(map(self.tokens_of_word, words)))
        # From the first word on of which any token is lost.
        unread = " ".join(words[bisect_right(ends, read) :])
        shown = unread if len(unread) <= MAX_SHOWN else f"{unread[:MAX_SHOWN]}..."
        return (
            f"the last {lost} of its {tokens} tokens are lost (the encoder takes {limit}, and "
            f"{limit - read} of these are not the prompt's): {shown!r}"
        )

    def _tokens_of_word(self, word: str) -> int:
        from muse.guidance.tokens import name_ids

        return len(name_ids(self.tokenizer, word))
