"""Tokens of textual inversions: in the tokenizers of a model, and in the prompts of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from muse.diffusion.files.embeddings.embedding_files import Embedding
from muse.diffusion.files.embeddings.embedding_fit import keys_of, other_token, tokenizer_of
from muse.diffusion.files.hub import embedding_and_token
from muse.guidance.prompt_frame import as_read
from pipeline.config import Config
from pipeline.models.roles import local_path


class EmbeddingUse:
    """Finds out which of a run's textual inversions its prompts name, and what else names them.

    Only those on this machine are looked at; `locate` says what is wrong with any.
    """

    def __init__(self, config: Config):
        self._embeddings = {} if config.engine == "null" else _readable(config)
        self._names = {as_read(each.token): name for name, each in self._embeddings.items()}
        self._pattern = _any_of(self._names)
        self._unnamed = {*self._names}
        # Words of prompts within which a token is read, by the token.
        self._within: dict[str, str] = {}
        self._rows = 0
        # It is read with every prompt.
        self._find(config.method.prompt_suffix)
        self._emotions: dict[str, str] = {}
        for emotion in config.taxonomy.labels:
            for token in self._pattern.findall(as_read(emotion)):
                self._emotions.setdefault(token, emotion)

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
        return self._pattern.sub(" ", as_read(prompt)) if self._names else prompt

    @property
    def warnings(self) -> Iterator[str]:
        """A sentence for each textual inversion without effect, and for each that is read where
        nobody named it."""
        for token, emotion in self._emotions.items():
            yield (
                f"{self._named(token)} is read in the name of the emotion {emotion!r} too, with "
                f"which the emotional tokens begin; {_remedy(token)}"
            )
        for token, word in self._within.items():
            yield f"{self._named(token)} is read within the word {word!r}, too; {_remedy(token)}"
        for token, name in self._names.items() if self._rows else ():
            if token in self._unnamed and token not in self._emotions:
                yield (
                    f"embedding {name!r}: no effect, because no prompt and no negative prompt has "
                    f"its token {self._embeddings[name].token!r}"
                )

    def _named(self, token: str) -> str:
        name = self._names[token]
        return f"embedding {name!r}: its token {self._embeddings[name].token!r}"

    def _find(self, text: str) -> None:
        # Most often there are none.
        for found in self._pattern.finditer(as_read(text)) if self._names else ():
            token = found[0]
            self._unnamed.discard(token)
            if token not in self._within and _is_within(found):
                self._within[token] = _word_at(found)


def _any_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """Finds tokens as a tokenizer does: the longest where several begin."""
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _is_within(found: re.Match[str]) -> bool:
    """Whether a token in a text goes on before or after, in a script that has spaces."""
    text, start, end = found.string, found.start(), found.end()
    joints = ((text[max(0, start - 1) : start], text[start]), (text[end - 1], text[end : end + 1]))
    return any(_is_of_word(left) and _is_of_word(right) for left, right in joints)


def _is_of_word(character: str) -> bool:
    return character.isdigit() or character.lower() != character.upper()


def _word_at(found: re.Match[str]) -> str:
    """What is around a token in a text up to spaces and commas, and itself."""
    before = re.findall(r"[\w-]*$", found.string[: found.start()])[0]
    after = re.findall(r"^[\w-]*", found.string[found.end() :])[0]
    return f"{before}{found[0]}{after}"


def _remedy(token: str) -> str:
    return f"if that is not meant, give another one after a colon, as in FILE:{other_token(token)}"


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
