"""How many tokens of a prompt each family of models reads, by the files of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muse.diffusion.model_files import ModelFolder

Z_IMAGE_LENGTH = 512
"""Tokens of a prompt with the chat template around it."""


def flux_length(network: Mapping[str, Any]) -> int:
    """Tokens that FLUX's T5 reads: dev, which embeds the scale of guidance, was trained with more.

    Args:
        network: the network's configuration.
    """
    return 512 if network.get("guidance_embeds") else 256


def prompt_lengths(folder: ModelFolder) -> dict[str, int | None]:
    """The folders of the tokenizers whose encoders read prompts whole, each with its length.

    The length is None where it is the tokenizer's own. FLUX's CLIP is not among them: of a longer
    prompt its one vector is made of the beginning.
    """
    if folder.family == "FluxPipeline":
        return {"tokenizer_2": flux_length(folder.config("transformer"))}
    if folder.family == "ZImagePipeline":
        return {"tokenizer": Z_IMAGE_LENGTH}
    return {"tokenizer": None, "tokenizer_2": None}
