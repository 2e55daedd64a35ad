"""Tokens of textual inversions: in the tokenizers of a model, and in the prompts of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from muse.diffusion.files.embeddings.embedding_files import Embedding
from muse.diffusion.files.embeddings.embedding_fit import keys_of, tokenizer_of
from muse.diffusion.files.hub import embedding_and_token
from pipeline.config import Config
from pipeline.models.roles import local_path


class EmbeddingUse:
    """Finds out which of a run's textual inversions its prompts name.

    Only those on this machine are looked at; `locate` says what is wrong with any.
    """

    def __init__(self, config: Config):
        self._embeddings = {} if config.engine == "null" else _readable(config)
        self._unnamed = {name: each.token.lower() for name, each in self._embeddings.items()}
        self._rows = 0
        # It is read with every prompt.
        self._find(config.method.prompt_suffix)

    def add_to(self, tokenizer: Any, family: str, name: str) -> None:
        """Add the tokens to a tokenizer that was read from the folder `name` of a model, as loading
        the model adds them."""
        for embedding in self._embeddings.values():
            for part, key in keys_of(family, embedding).items():
                if tokenizer_of(part) == name:
                    tokenizer.add_tokens(embedding.names(key))

    def add(self, *prompts: str | None) -> None:
        """Take note of what one row is made by."""
        self._rows += 1
        for prompt in filter(None, prompts):
            self._find(prompt)

    def left_out_of(self, prompt: str) -> str:
        """A prompt without the tokens."""
        for embedding in self._embeddings.values():
            prompt = prompt.replace(embedding.token, " ")
        return prompt

    @property
    def warnings(self) -> Iterator[str]:
        """A sentence for each textual inversion without effect."""
        for name in self._unnamed if self._rows else ():
            token = self._embeddings[name].token
            yield (
                f"embedding {name!r}: no effect, because no prompt and no negative prompt has its "
                f"token {token!r}"
            )

    def _find(self, text: str) -> None:
        # Most often there are none, or all were found in the first rows.
        if self._unnamed:
            lower = text.lower()
            unnamed = self._unnamed.items()
            self._unnamed = {name: token for name, token in unnamed if token not in lower}


def _readable(config: Config) -> dict[str, Embedding]:
    """The textual inversions of a run by their names in the settings."""
    found = {}
    for number, name in enumerate(config.embedding):
        try:
            path = local_path(f"embedding {number}", name, download=False)
            found[name] = Embedding.read(path, embedding_and_token(name)[1])
        except ValueError:
            continue
    return found
