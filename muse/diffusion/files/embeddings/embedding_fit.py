"""Whether a textual inversion fits the text encoders and tokenizers of a model."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from muse.diffusion.files.embeddings.embedding_files import Embedding
from muse.diffusion.files.hub import configs_beside
from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.files.part_weights import Shapes, part_shapes
from muse.diffusion.files.single_files import family_of_file, tensor_shapes
from muse.diffusion.files.tokenizer_files import open_tokenizer
from muse.guidance.prompt_frame import as_read

ENCODERS: Mapping[str, Mapping[str, str]] = {
    "StableDiffusionPipeline": {"text_encoder": ""},
    "StableDiffusionXLPipeline": {"text_encoder": "clip_l", "text_encoder_2": "clip_g"},
    "FluxPipeline": {"text_encoder": "clip_l", "text_encoder_2": "t5"},
}
"""By family: its text encoders with the names of the tensors for them. These are the families whose
pipelines in diffusers load textual inversions."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "StableDiffusionPipeline": ("",),
    "StableDiffusionXLPipeline": ("clip_l", "clip_g"),
    "FluxPipeline": ("clip_l",),
}
"""By family: the tensors without which a file is not of it."""

FIRST_ONLY = ("StableDiffusionPipeline", "FluxPipeline")
"""Families in which a tensor without the name of an encoder goes to the first one, as in diffusers.
"""

WORDS = ("token_embedding.weight", "shared.weight", "encoder.embed_tokens.weight")
"""Ends of the names of the tables of word embeddings, in CLIP and T5."""


@dataclass(frozen=True)
class EmbeddingTarget:
    """A diffusion model that textual inversions are to be added to.

    Attributes:
        family: the class of its pipeline.
        widths: of the word embeddings of each text encoder, where they are known.
        vocabularies: the tokens that each text encoder's tokenizer knows, likewise.
        added: tokens that are read whole (see `as_read`), with what has them: those that were added
            to the model's own tokenizers, and those of textual inversions before.
    """

    family: str
    widths: Mapping[str, int] = field(default_factory=dict)
    vocabularies: Mapping[str, Collection[str]] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Path) -> EmbeddingTarget:
        """A model in a folder or a single file, of which headers and vocabularies are read.

        Raises:
            ValueError: it cannot be read.
        """
        if not model.is_file():
            folder = ModelFolder.read(model)
            parts = [part for part in ENCODERS.get(folder.family, ()) if part in folder.parts]
            found = {part: _widths(part_shapes(folder, part)) for part in parts}
            widths = {part: each[0] for part, each in found.items() if each}
            return cls._with_tokenizers(folder.family, widths, _tokenizers(folder))
        family, configs = family_of_file(model), configs_beside(model)
        widths = dict(zip(ENCODERS.get(family, ()), _widths(tensor_shapes(model)), strict=False))
        known = {} if configs is None else _tokenizers(ModelFolder.read(configs))
        return cls._with_tokenizers(family, widths, known)

    @classmethod
    def of_pipeline(cls, pipe: Any) -> EmbeddingTarget:
        """A pipeline of diffusers."""
        family = type(pipe).__name__
        widths, tokenizers = {}, {}
        for part in ENCODERS.get(family, ()):
            widths[part] = getattr(pipe, part).get_input_embeddings().embedding_dim
            tokenizers[part] = getattr(pipe, tokenizer_of(part))
        return cls._with_tokenizers(family, widths, tokenizers)

    @classmethod
    def _with_tokenizers(
        cls, family: str, widths: Mapping[str, int], tokenizers: Mapping[str, Any]
    ) -> EmbeddingTarget:
        added = {}
        for part, tokenizer in tokenizers.items():
            for name in tokenizer.added_tokens_encoder:
                added[as_read(name)] = f"in the model's {tokenizer_of(part)}/"
        vocabularies = {part: tokenizer.get_vocab() for part, tokenizer in tokenizers.items()}
        return cls(family, widths, vocabularies, added)

    def family_problem(self) -> str | None:
        """Why no textual inversion can be added to the model; None if some can."""
        if self.family in ENCODERS:
            return None
        return (
            f"a {self.family} takes no textual inversions, in diffusers neither; they are read for "
            f"{', '.join(ENCODERS)}: leave it out"
        )

    def problem(self, embedding: Embedding) -> str | None:
        """Why a textual inversion cannot be added to the model; None if it can."""
        return next(self._problems(embedding), None)

    def warning(self, embedding: Embedding) -> str | None:
        """What of the model will not know the token; None if all of it will."""
        lacking = sorted(ENCODERS[self.family].keys() - keys_of(self.family, embedding).keys())
        if not lacking:
            return None
        return (
            f"it has no vectors for the {', '.join(lacking)} of this {self.family}, which reads "
            f"{embedding.token!r} as any other text, as in diffusers"
        )

    def with_tokens(self, embedding: Embedding) -> EmbeddingTarget:
        """The model after a textual inversion has been added."""
        tokens = {as_read(name) for key in embedding.shapes for name in embedding.names(key)}
        owner = f"one of the embedding {embedding.file.name}"
        return replace(self, added={**self.added, **dict.fromkeys(tokens, owner)})

    def _problems(self, embedding: Embedding) -> Iterator[str]:
        if problem := self.family_problem():
            yield problem
            return
        keys = keys_of(self.family, embedding)
        surplus = embedding.shapes.keys() - {*keys.values()}
        if surplus or not ("" in embedding.shapes or {*NEEDED[self.family]} <= {*keys.values()}):
            yield (
                f"has vectors for {_encoders(embedding)}, but a {self.family} "
                f"{_needs(self.family)}: it was trained for another model; give one that was "
                "trained for a model of this family"
            )
        for part, key in keys.items():
            width, needed = embedding.shapes[key][1], self.widths.get(part)
            if needed is not None and width != needed:
                yield (
                    f"has vectors of the width {width}{f' ({key})' if key else ''}, but the "
                    f"{part} of this {self.family} reads {needed}: it was trained for another "
                    "model; give one that was trained for this one"
                )
        for part, key in keys.items():
            yield from self._token_problems(embedding, part, key)

    def _token_problems(self, embedding: Embedding, part: str, key: str) -> Iterator[str]:
        """Names of its vectors that a tokenizer has, or that are read as those of others."""
        known, token = self.vocabularies.get(part, ()), embedding.token
        beginning = f"cannot have the token {token!r}"
        remedy = f"give another one after a colon, as in {embedding.file.name}:{other_token(token)}"
        # The name that follows the last would be read as one more vector.
        following = f"{token}_{embedding.shapes[key][0]}"
        for name in (*embedding.names(key), following):
            # CLIP reads words in lower case.
            owner = self.added.get(as_read(name))
            if name in known:
                owner = f"in the model's {tokenizer_of(part)}/"
            if owner is not None:
                yield f"{beginning}: {name!r} is {owner} already; {remedy}"
        first, _, number = as_read(token).rpartition("_")
        if first in self.added and number == str(_next_number(first, self.added)):
            yield (
                f"{beginning}: it would be read as a vector of {first!r}, which is "
                f"{self.added[first]}; {remedy}"
            )


def _next_number(first: str, names: Collection[str]) -> int:
    """That of the vector that would follow those of a textual inversion."""
    return next(number for number in count(1) if f"{first}_{number}" not in names)


def other_token(token: str) -> str:
    """Another token for the same thing, as an example."""
    return f"<{re.sub('[<>|]', '', token)}-2>"


def keys_of(family: str, embedding: Embedding) -> dict[str, str]:
    """Which tensor of a textual inversion goes to which text encoder: its key by the part."""
    parts = ENCODERS.get(family, {})
    if "" in embedding.shapes:
        return {next(iter(parts)): ""} if family in FIRST_ONLY else {}
    return {part: key for part, key in parts.items() if key in embedding.shapes}


def tokenizer_of(part: str) -> str:
    """The tokenizer of a text encoder."""
    return part.replace("text_encoder", "tokenizer")


def _encoders(embedding: Embedding) -> str:
    named = sorted(key for key in embedding.shapes if key)
    return " and ".join(named) or f"one text encoder (of the width {embedding.shapes[''][1]})"


def _needs(family: str) -> str:
    keys = [key for key in NEEDED[family] if key]
    return f"needs {' and '.join(keys)}" if keys else "has a single text encoder"


def _widths(shapes: Shapes) -> list[int]:
    """Of the tables of word embeddings among tensors, in the order of their names."""
    return [shapes[name][-1] for name in sorted(shapes) if name.endswith(WORDS)]


def _tokenizers(folder: ModelFolder) -> dict[str, Any]:
    """The tokenizer of each text encoder, where its folder is there.

    Raises:
        ValueError: one cannot be read.
    """
    parts = {part: tokenizer_of(part) for part in ENCODERS.get(folder.family, ())}
    return {
        part: open_tokenizer(folder, name)
        for part, name in parts.items()
        if name in folder.parts and (folder.path / name).is_dir()
    }
