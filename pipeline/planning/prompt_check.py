"""Prompts that are longer than the text encoder of the model reads, before a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manifests.schema import Row
from muse.emotions import Target
from muse.mini import WEIGHTS
from pipeline.config import EMBEDDED, Config

MAX_ROWS_SHOWN = 10
"""Rows with such prompts that a warning lists."""

MAX_EMOTION_WORDS = 500
"""Bytes of the names of a target's emotions, at most, of which a suffix is made."""

TOKENIZERS = ("tokenizer", "tokenizer_2")
"""Folders of the tokenizers whose prompts carry the emotional tokens."""


@dataclass
class PromptCheck:
    """Measures the prompts of the rows it is given.

    Attributes:
        tokenizers: of the model; without any, nothing is measured.
        count: how many rows have a prompt that is cut.
        examples: the first of them, with the tokens that are not read.
    """

    config: Config
    tokenizers: list[Any]
    count: int = 0
    examples: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, config: Config) -> PromptCheck:
        """The check for the model of a run, if that is a folder on this machine."""
        return cls(config, list(_tokenizers(config)))

    def add(self, row: Row) -> None:
        """Measure the prompt of a row."""
        # A token is at least one byte. So nearly all prompts need not be split into tokens.
        if not self.tokenizers or len(row.prompt.encode()) <= self._least_room:
            return
        lost = max(self._lost_tokens(row))
        if lost:
            self.count += 1
            if self.count <= MAX_ROWS_SHOWN:
                self.examples.append(f"row {row.number}: {lost} tokens")

    @property
    def warning(self) -> str | None:
        """Which prompts are cut; None if none is."""
        if not self.count:
            return None
        rows = "; ".join(self.examples)
        if self.count > MAX_ROWS_SHOWN:
            rows += f"; and {self.count - MAX_ROWS_SHOWN} more rows"
        return (
            f"{self.count} prompt(s) are longer than the text encoder reads and are cut off "
            f"({rows}). Shorten them: a difference in the part that is cut off has no effect"
        )

    @property
    def _least_room(self) -> int:
        """Tokens that a prompt may have whatever the emotion."""
        method = self.config.method
        names = MAX_EMOTION_WORDS if "{emotion}" in method.prompt_suffix else 0
        suffix = len(method.prompt_suffix.encode()) + names
        shortest = min(tokenizer.model_max_length for tokenizer in self.tokenizers)
        return shortest - 2 - method.tokens - suffix

    def _lost_tokens(self, row: Row) -> Iterator[int]:
        """The tokens of the prompt that are not read, for each emotion and tokenizer."""
        from muse.guidance.tokens import lost_tokens

        method = self.config.method
        for emotion in row.emotions or [{name: 1.0} for name in self.config.emotions]:
            target = Target.of(emotion, self.config.taxonomy)
            for tokenizer in self.tokenizers:
                yield lost_tokens(
                    tokenizer, row.prompt, target, method.tokens, method.prompt_suffix
                )


def _tokenizers(config: Config) -> Iterator[Any]:
    if config.engine == "null":
        return
    model = WEIGHTS / "diffusion" if config.model == EMBEDDED else Path(config.model).expanduser()
    for name in TOKENIZERS:
        if (model / name).is_dir():
            from transformers import CLIPTokenizer

            yield CLIPTokenizer.from_pretrained(model / name, local_files_only=True)
