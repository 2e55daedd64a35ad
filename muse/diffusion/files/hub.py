"""Model folders by path or hub id; only safetensors and plain text are ever downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from muse.diffusion.files.model_files import FAMILIES, ModelFolder, read_json
from muse.diffusion.files.single_files import (
    family_of_file,
    latent_channels_of,
    published_scheduler,
    published_vae,
)

TEXT = ["*.json", "*.txt", "*.model"]
PLAIN = ["*.safetensors", *TEXT]

PIPELINE = ["*/*.safetensors", *TEXT]
"""Files of a diffusion model: those in folders. Single files beside them repeat all weights."""

UNUSED = ["safety_checker/*", "*non_ema*"]
"""Files of a diffusion model that are never loaded."""

HALF = ["*.fp16.safetensors", "*.fp16-*.safetensors", "*.bf16.safetensors", "*.bf16-*.safetensors"]
"""Weights in half precision: downloaded only for parts that have no others."""

NO_TINY_VAE = "none"
"""Instead of the name of a tiny decoder: the guide is shown images decoded by the VAE itself."""

MAX_STRENGTH = 100
"""Of a LoRA, in both directions. Sliders are used up to about 10."""

SINGLE_FILE = ".safetensors"
"""How the name of a single file ends, as diffusers and transformers know it."""

NO_PEFT = 'a LoRA needs peft, which is missing or too old: pip install "muse-batch[lora]"'


class NotOnThisMachine(ValueError):
    """A model of the hub that would have to be downloaded first."""


def local_folder(name: str, files: Sequence[str] = PLAIN, download: bool = True) -> Path:
    """The folder at the path `name`, or the (downloaded) one of the hub id owner/name.

    Args:
        files: patterns of the files to download.
        download: fetch what is not in the local cache of the hub.

    Raises:
        ValueError: neither, or the hub cannot provide it.
        NotOnThisMachine: a hub id that is not in the cache, without `download`.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return absolute(path)
    if path.suffix == ".gguf":
        raise ValueError(
            "weights that are quantised in the format GGUF are not read; give the model's folder "
            "in the layout of diffusers, or its hub id"
        )
    if path.is_file() and path.suffix.lower() == SINGLE_FILE != path.suffix:
        raise ValueError(
            f"diffusers knows its files by {SINGLE_FILE} in lower case; rename it to "
            f"{path.stem}{SINGLE_FILE}"
        )
    if path.is_file():
        raise ValueError("it is a file that cannot be read; give a folder, or a .safetensors file")
    if (broken := _broken_link(path)) is not None:
        raise ValueError(
            f"{broken} is a link to {broken.readlink()}, and nothing is there; correct the link, "
            "or give the place itself"
        )
    if path.is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise ValueError("there is no such folder, and it is not a hub id (owner/name)")
    return _snapshot(name, files, UNUSED + HALF, download)


def _broken_link(path: Path) -> Path | None:
    """The link, of a path and the folders that it lies in, that leads nowhere; None without one."""
    places = (path, *path.parents)
    return next((place for place in places if place.is_symlink() and not place.exists()), None)


def local_file(name: str) -> Path:
    """The absolute path of the single file `name`."""
    return absolute(Path(name).expanduser())


def absolute(path: Path) -> Path:
    """The absolute path of a file or folder under the name that it was given.

    A link is not followed: what belongs to a model lies beside the link, and a file in the cache of
    the hub is a link to one that has no suffix. Links to the folder that it is in are.
    """
    if path.name in ("", ".."):
        return path.resolve()
    return path.parent.resolve() / path.name


def local_model(name: str, download: bool = True) -> Path:
    """As `local_folder`, for a diffusion model.

    Weights in half precision are downloaded for the parts that have no others.
    """
    folder = local_folder(name, PIPELINE, download)
    if Path(name).expanduser().is_dir():
        return folder
    halves = [f"{part}/{pattern}" for part in _without_weights(folder) for pattern in HALF]
    return _snapshot(name, halves, UNUSED, download) if halves else folder


def _without_weights(model: Path) -> list[str]:
    """Parts of a diffusion model whose weights are not in its folder, as far as it can be read."""
    try:
        folder = ModelFolder.read(model)
    except ValueError:
        return []
    absent = []
    for part in filter(folder.has_weights, folder.parts):
        try:
            folder.variant(part)
        except ValueError:
            absent.append(part)
    return absent


def _snapshot(name: str, allowed: Sequence[str], ignored: Sequence[str], download: bool) -> Path:
    """The local copy of a hub's repository, with the files that patterns allow and do not ignore.

    Raises: as `local_folder`.
    """
    from huggingface_hub import snapshot_download

    try:
        snapshot = snapshot_download(
            name,
            allow_patterns=[*allowed],
            ignore_patterns=[*ignored],
            local_files_only=not download,
        )
        return Path(snapshot)
    except Exception as error:  # the hub raises many classes, for the same reasons
        if not download:
            raise NotOnThisMachine("it is not on this machine yet") from None
        raise ValueError(
            f"there is no such folder, and the hub cannot provide it ({type(error).__name__}); "
            "check the name, or download it and give its folder"
        ) from None


def lora_and_strength(text: str) -> tuple[str, float]:
    """The file, folder or hub id of a LoRA, and its strength, 1 unless it follows after a colon.

    The name of a file or folder that is there has no strength in it.

    Raises:
        ValueError: the strength is no finite number, or too large to leave a picture.
    """
    name, colon, strength = text.rpartition(":")
    if colon and Path(text).expanduser().exists():
        return text, 1.0
    try:
        read = float(strength) if colon else None
    except ValueError:
        read = None
    if read is None:
        return text, 1.0
    # This is not true of a nan, either.
    if not abs(read) <= MAX_STRENGTH:
        raise ValueError(
            f"the strength after the colon is {strength}; give a number from -{MAX_STRENGTH} to "
            f"{MAX_STRENGTH}, usually 0 to 1"
        )
    return name, read


def embedding_and_token(text: str) -> tuple[str, str | None]:
    """The file, folder or hub id of a textual inversion, and the token that follows after a colon;
    None without one.

    The name of a file or folder that is there has no token in it.

    Raises:
        ValueError: the token is empty, more than one word, or a number, as of a LoRA's strength.
    """
    name, colon, token = text.rpartition(":")
    if not colon or Path(text).expanduser().exists():
        return text, None
    if len(token.split()) != 1:
        raise ValueError(
            f"the token after the colon is {token!r}; give one word, as prompts are to name it: "
            "FILE:<token>"
        )
    if re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?%?", token.strip()):
        raise ValueError(
            f"{token!r} after the colon is read as its token, for textual inversions have no "
            "strength; leave it out, or give the word that prompts are to name it by"
        )
    return name, token.strip()


def is_single_file(name: str) -> bool:
    """Whether the name of a model is that of a single file; a folder may have such a name, too."""
    return name.endswith(SINGLE_FILE) and not Path(name).expanduser().is_dir()


def configs_beside(file: Path) -> Path | None:
    """The folder of configurations of a single-file model, which has its name without the suffix.

    Its layout is that of diffusers: model_index.json and the folders of the parts, or a VAE's
    config.json. None if there is no such folder.
    """
    # What lies beside a link itself comes before what lies beside the file that it leads to.
    for place in (file, file.resolve()):
        folder = place.with_suffix("")
        if any((folder / name).is_file() for name in ("model_index.json", "config.json")):
            return folder
    return None


def family_of(model: Path) -> str:
    """The pipeline class of a diffusion model in a folder or a single file.

    Raises:
        ValueError: it is no model of a known family.
    """
    return family_of_file(model) if model.is_file() else ModelFolder.read(model).family


def part_config(model: Path) -> Callable[[str], Mapping[str, Any]]:
    """The settings of the parts of a diffusion model by their names; empty where none are known.

    Those of a single file are in the folder beside it. Without one, its VAE is the published one of
    its family.

    Raises:
        ValueError: it is no model of a known family.
    """
    folder = configs_beside(model) if model.is_file() else model
    if folder is not None and (folder / "model_index.json").is_file():
        return ModelFolder.read(folder).config
    vae = published_vae(family_of_file(model))
    return lambda part: vae if part == "vae" else {}


def decoder_config(folder: Path, part: str = "vae") -> Mapping[str, Any]:
    """The settings of a VAE or a tiny decoder in a folder.

    Args:
        part: `vae` or `tiny_vae`: the folder that it has within a whole model.

    Raises:
        ValueError: the folder is a whole model, or has no settings that can be read.
    """
    if (folder / "model_index.json").is_file():
        within = folder / part
        what = within if within.is_dir() else "the folder of one"
        raise ValueError(f"it is a whole model, not a {part}; give {what}")
    return read_json(folder / "config.json")


def vae_config(vae: Path, own: Mapping[str, Any], part: str = "vae") -> Mapping[str, Any]:
    """The settings of a VAE in a folder or a single file.

    Args:
        part: see `decoder_config`.
        own: those of the VAE that it replaces, which serve a single file without a folder beside
            it, but for the channels of its latents.

    Raises:
        ValueError: it has none that can be read.
    """
    if not vae.is_file():
        return decoder_config(vae, part)
    if (folder := configs_beside(vae)) is not None:
        return read_json(folder / "config.json")
    return {**own, "latent_channels": latent_channels_of(vae) or own.get("latent_channels", 4)}


def configs_of(model: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The configurations of a diffusion model's network and scheduler.

    Of a single file without a folder beside it, the network's is empty, and the scheduler's is that
    of the published model of its family.

    Raises:
        ValueError: it is no model of a known family.
    """
    folder = configs_beside(model) if model.is_file() else model
    if folder is None or not (folder / "model_index.json").is_file():
        return {}, published_scheduler(family_of_file(model))
    opened = ModelFolder.read(folder)
    return opened.config(FAMILIES.get(opened.family, "")), opened.config("scheduler")
