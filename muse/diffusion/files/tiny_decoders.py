"""Which tiny decoder of the TAESD family fits a model, and where it is found.

The guide reads a prediction at every evaluation. With the full VAE that takes 1.4 to 3.4 times the
memory that it takes with a tiny decoder (docs/models.md has the count).
"""

from __future__ import annotations

from pathlib import Path

from muse.diffusion.files.hub import NotOnThisMachine, family_of, local_folder, part_config
from muse.diffusion.files.model_files import TINY_VAE

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


SLOWER = (
    "the full VAE shows predictions to the guide, whose evaluations then take 1.4 to 3.4 times the "
    "memory, and longer"
)
"""What it costs to do without one."""


def kind_of(model: Path) -> str | None:
    """The decoder that fits the model in a folder or a single file; None if none is known.

    A VAE whose latents are normalised by channel (Playground v2.5) has latents of its own.
    """
    try:
        family, vae = family_of(model), part_config(model)("vae")
    except ValueError:
        return None
    return None if vae.get("latents_mean") is not None else KINDS.get(family)


def has_own(model: Path) -> bool:
    """Whether a model brings a tiny decoder in its folder."""
    return (model / TINY_VAE).is_dir()


def candidates(model: Path) -> list[str]:
    """The tiny decoders for a model that brings none, the best first: a folder beside it that is
    named as its kind, and the hub id of one in the local cache. Nothing is downloaded.
    """
    kind = kind_of(model)
    if kind is None or has_own(model):
        return []
    # Where the model is a link: beside that, else beside what it leads to.
    places = (model.parent / kind, model.resolve().parent / kind)
    found = [str(place) for place in places if (place / "config.json").is_file()][:1]
    try:
        local_folder(f"{OWNER}/{kind}", download=False)
    except NotOnThisMachine:
        return found
    return [*found, f"{OWNER}/{kind}"]


def absence_warnings(model: Path, tiny_vae: str) -> list[str]:
    """What it costs that no tiny decoder was found for a model, and the remedy.

    Args:
        tiny_vae: the setting; nothing is missed where it names one, or asks for none.
    """
    kind = kind_of(model)
    if tiny_vae or kind is None or has_own(model) or candidates(model):
        return []
    return [
        f'no tiny decoder ({kind}) was found: {SLOWER}; set tiny_vae = "{OWNER}/{kind}" to fetch '
        f"it (10 MB), copy it to the folder {kind}/ beside the model, or set "
        'tiny_vae = "none" to keep the VAE'
    ]
