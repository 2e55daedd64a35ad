"""Whether the network, the VAE and the scheduler of a model are of classes that can run, by name.

Their text encoders are looked at in `muse.diffusion.files.text_encoder_files`.
"""

from __future__ import annotations

from collections.abc import Iterator

from muse.diffusion.files.model_files import FAMILIES, SCHEDULER_CONFIG, ModelFolder
from muse.diffusion.schedule.schedulers import SAMPLERS

NETWORKS = {
    "StableDiffusionPipeline": "UNet2DConditionModel",
    "StableDiffusionXLPipeline": "UNet2DConditionModel",
    "StableDiffusion3Pipeline": "SD3Transformer2DModel",
    "FluxPipeline": "FluxTransformer2DModel",
    "ZImagePipeline": "ZImageTransformer2DModel",
}
"""By family: the class of its network."""

VAE = "AutoencoderKL"
"""The class of every family's VAE."""


def class_problems(folder: ModelFolder) -> Iterator[str]:
    """Why the network, the VAE or the scheduler in a folder cannot be opened, with the remedy.

    Args:
        folder: of a known family.
    """
    for part, expected in ((FAMILIES[folder.family], NETWORKS[folder.family]), ("vae", VAE)):
        if (folder.path / part / "config.json").exists() and part in folder.parts:
            yield from _part_problems(folder, part, expected)
    if "scheduler" in folder.parts and (folder.path / "scheduler").is_dir():
        yield from _scheduler_problems(folder)


def _part_problems(folder: ModelFolder, part: str, expected: str) -> Iterator[str]:
    """At most one: what is wrong with the class that a part should be of."""
    named, settings = folder.parts[part][1], folder.config(part)
    own = settings.get("_class_name", named)
    if named != expected:
        yield (
            f"model_index.json names {named} as the class of {part}/, but that of a "
            f"{folder.family} is {expected}; copy model_index.json and {part}/ again, or give a "
            "model whose parts are of these classes"
        )
    elif not settings:
        yield _is_empty(f"{part}/config.json")
    elif own != named:
        yield (
            f"{part}/config.json is that of the class {own}, but model_index.json names {named}; "
            f"copy {part}/ again from the model"
        )


def _scheduler_problems(folder: ModelFolder) -> Iterator[str]:
    """At most one: why diffusers cannot make the scheduler that model_index.json names."""
    place, named = folder.path / "scheduler", folder.parts["scheduler"][1]
    if not (place / SCHEDULER_CONFIG).exists():
        is_misnamed = (place / "config.json").exists()
        remedy = f"rename scheduler/config.json to {SCHEDULER_CONFIG}, if it is the scheduler's"
        yield (
            f"scheduler/{SCHEDULER_CONFIG} is missing; "
            + (remedy if is_misnamed else "copy the model again, with all its files")
        )
        return
    settings = folder.own_config("scheduler")
    own = str(settings.get("_class_name", named))
    if not settings:
        yield _is_empty(f"scheduler/{SCHEDULER_CONFIG}")
    elif not own.endswith("Scheduler"):
        yield (
            f"scheduler/{SCHEDULER_CONFIG} is that of the class {own}, which is no scheduler; "
            "copy it again from the model"
        )
    elif problem := _unknown_scheduler(named):
        yield problem


def _unknown_scheduler(name: str) -> str | None:
    """Why a name is not that of a scheduler of diffusers; None if it is.

    One that cannot be used, or whose packages are not installed, may be replaced by a sampler.
    """
    known = {scheduler for samplers in SAMPLERS.values() for scheduler, _ in samplers.values()}
    if name in known:
        return None
    import diffusers

    kind = getattr(diffusers, name, None)
    if kind is None or not name.endswith("Scheduler"):
        return (
            f"model_index.json names {name} as the scheduler, which diffusers has not; name the "
            "scheduler in model_index.json that the model came with"
        )
    return None


def _is_empty(name: str) -> str:
    return f"{name} holds no settings that can be read; copy it again from the model"
