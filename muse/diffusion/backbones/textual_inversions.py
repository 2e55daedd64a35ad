"""Adds textual inversions to the tokenizers and text encoders of a pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from muse.diffusion.files.embeddings.embedding_files import Embedding, embedding_place
from muse.diffusion.files.embeddings.embedding_fit import EmbeddingTarget, keys_of, tokenizer_of
from muse.diffusion.files.hub import embedding_and_token
from muse.diffusion.files.part_weights import PartlyRead


def add_embeddings(pipe: Any, names: Sequence[str]) -> None:
    """Add the vectors of textual inversions to a pipeline of diffusers, in this order.

    Args:
        names: each as `hub.embedding_and_token` reads it.

    Raises:
        ValueError: one cannot be read, or does not fit the model.
    """
    if not names:
        return
    target = EmbeddingTarget.of_pipeline(pipe)
    for text in names:
        try:
            if problem := target.family_problem():
                raise ValueError(problem)
            name, token = embedding_and_token(text)
            embedding = Embedding.read(embedding_place(name), token)
            if problem := target.problem(embedding):
                raise ValueError(f"it {problem}")
            vectors = embedding.vectors()
        except ValueError as error:
            raise ValueError(f"the embedding {text}: {error}") from None
        for part, key in keys_of(target.family, embedding).items():
            tokenizer, encoder = getattr(pipe, tokenizer_of(part)), getattr(pipe, part)
            pipe.load_textual_inversion(
                vectors[key], token=embedding.token, tokenizer=tokenizer, text_encoder=encoder
            )
        if warning := target.warning(embedding):
            warnings.warn(f"the embedding {text}: {warning}", PartlyRead, stacklevel=2)
        target = target.with_tokens(embedding)
