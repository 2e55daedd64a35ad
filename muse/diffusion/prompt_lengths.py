"""What each family of models reads of its prompts, by the files of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muse.diffusion.files.model_files import ModelFolder
from muse.method import Method

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


def negative_prompts_without_effect(
    folder: ModelFolder, method: Method, editing: bool
) -> str | None:
    """Why negative prompts change nothing, with the remedy; None if they are read.

    Without classifier-free guidance nothing leads away from them, as in diffusers.
    """
    network = folder.config("unet") or folder.config("transformer")
    if folder.family == "FluxPipeline" or network.get("time_cond_proj_dim") is not None:
        if method.true_cfg_scale > 1:
            return None
        scale = method.true_cfg_scale
        return f"method.true_cfg_scale = {scale:g}: they are read above 1, at twice the cost"
    if method.scale(editing, folder.family == "ZImagePipeline") > 1:
        return None
    name = "edit_guidance_scale" if editing else "guidance_scale"
    return f"method.{name} = {getattr(method, name):g} guides by no prompt: give more"
