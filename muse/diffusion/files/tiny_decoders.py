"""Which tiny decoder of the TAESD family fits a model, and where it is found.

The guide reads a prediction at every evaluation. With the full VAE that takes 1.4 to 3.4 times the
memory that it takes with a tiny decoder (docs/models.md has the count).
"""

from __future__ import annotations

from pathlib import Path

from muse.diffusion.files.hub import NotOnThisMachine, local_folder
from muse.diffusion.files.model_files import TINY_VAE, ModelFolder
from muse.diffusion.files.single_files import family_of_file

KINDS = {
    "StableDiffusionPipeline": "taesd",
    "StableDiffusionXLPipeline": "taesdxl",
    "StableDiffusion3Pipeline": "taesd3",
    "FluxPipeline": "taef1",
    "ZImagePipeline": "taef1",
}
"""By the class of the pipeline: the decoder of its latents."""

OWNER = "madebyollin"
"""Who publishes them on the hub."""


def kind_of(model: Path) -> str | None:
    """The decoder that fits the model in a folder or a single file; None if none is known.

    A VAE whose latents are normalised by channel (Playground v2.5) has latents of its own.
    """
    try:
        if model.is_file():
            return KINDS.get(family_of_file(model))
        folder = ModelFolder.read(model)
    except ValueError:
        return None
    has_own_latents = folder.config("vae").get("latents_mean") is not None
    return None if has_own_latents else KINDS.get(folder.family)


def has_own(model: Path) -> bool:
    """Whether a model brings a tiny decoder in its folder."""
    return (model / TINY_VAE).is_dir()


def find(model: Path) -> str | None:
    """The tiny decoder for a model that brings none: a folder beside it that is named as its kind,
    or the hub id of one in the local cache. Nothing is downloaded.
    """
    kind = kind_of(model)
    if kind is None or has_own(model):
        return None
    beside = model.parent / kind
    if (beside / "config.json").is_file():
        return str(beside)
    try:
        local_folder(f"{OWNER}/{kind}", download=False)
    except NotOnThisMachine:
        return None
    return f"{OWNER}/{kind}"


def absence_warnings(model: Path, tiny_vae: str) -> list[str]:
    """What it costs that no tiny decoder was found for a model, and the remedy.

    Args:
        tiny_vae: the setting; nothing is missed where it names one, or asks for none.
    """
    kind = kind_of(model)
    if tiny_vae or kind is None or has_own(model) or find(model) is not None:
        return []
    return [
        f"no tiny decoder ({kind}) was found: the full VAE shows predictions to the guide, whose "
        "evaluations then take 1.4 to 3.4 times the memory, and longer; set "
        f'tiny_vae = "{OWNER}/{kind}" to fetch it (10 MB), copy it to the folder {kind}/ beside '
        'the model, or set tiny_vae = "none" to keep the VAE'
    ]
