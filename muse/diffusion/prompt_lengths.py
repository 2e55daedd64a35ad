"""What each family of models reads of its prompts, by the files of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muse.diffusion.files.model_files import ModelFolder

Z_IMAGE_LENGTH = 512
"""Tokens of a prompt with the chat template around it."""

SD3_T5_LENGTH = 256
"""Tokens that the T5 of Stable Diffusion 3 reads, as in diffusers."""


@dataclass(frozen=True)
class ReadLength:
    """How much of its prompts a text encoder of a model reads.

    Attributes:
        tokenizer: the name of its folder.
        length: in tokens; None where it is the tokenizer's own.
        takes_tokens, whole: as `muse.guidance.prompt_frame.PromptReader` has them.
    """

    tokenizer: str
    length: int | None = None
    takes_tokens: bool = True
    whole: bool = True


def flux_length(network: Mapping[str, Any]) -> int:
    """Tokens that FLUX's T5 reads: dev, which embeds the scale of guidance, was trained with more.

    Args:
        network: the network's configuration.
    """
    return 512 if network.get("guidance_embeds") else 256


def prompt_lengths(folder: ModelFolder) -> list[ReadLength]:
    """Of each text encoder of a model.

    Of prompts that are longer than a CLIP reads, its vector is made of the beginning; what counts
    is what the T5 beside it reads.
    """
    if folder.family == "FluxPipeline":
        length = flux_length(folder.config("transformer"))
        return [ReadLength("tokenizer", whole=False), ReadLength("tokenizer_2", length)]
    if folder.family == "ZImagePipeline":
        return [ReadLength("tokenizer", Z_IMAGE_LENGTH)]
    clips = ("tokenizer", "tokenizer_2")
    if folder.family == "StableDiffusion3Pipeline" and "text_encoder_3" in folder.parts:
        t5 = ReadLength("tokenizer_3", SD3_T5_LENGTH, takes_tokens=False)
        return [*(ReadLength(clip, whole=False) for clip in clips), t5]
    return [ReadLength(clip) for clip in clips if clip in folder.parts]
