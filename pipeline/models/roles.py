"""The roles of models in a run: which setting names each, and what on this machine serves it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import muse.mini
from muse.diffusion.files.chosen_file import chosen_file
from muse.diffusion.files.embeddings import embedding_files
from muse.diffusion.files.hub import (
    NO_TINY_VAE,
    SINGLE_FILE,
    NotOnThisMachine,
    embedding_and_token,
    local_file,
    local_folder,
    local_model,
    lora_and_strength,
)
from muse.diffusion.files.loras import lora_files
from muse.guidance.fitted_tokens_file import NO_FITTED_TOKENS, REMEDY
from pipeline.config import Config, folder_and_label
from pipeline.config_models import EMBEDDED

ROLES = {
    "model": "diffusion",
    "guide": "guide",
    "judge": "judge",
    "similarity": "clip",
    "content_judge": muse.mini.CONTENT_JUDGE,
}
"""Setting: folder of the embedded weights that serves it by default."""

CLASSIFIERS = ("guide", "judge")

WITH_OPTION = ("model", *CLASSIFIERS)
"""Roles that an option of the commands names; others are settings."""

SINGLE_FILES = ("model", "vae", "lora", "fitted_tokens")
"""Roles that a single `.safetensors` file may serve."""

FILTER_MODELS = "filter_models."
"""Before a filter's name in the role of its model: the setting that names it."""


def option_of(role: str) -> str:
    """How a command gives the model of a role, as messages begin."""
    return f"--{role}" if role in WITH_OPTION else role


def filter_role(name: str) -> str:
    """The role of the model of the filter `name`."""
    return FILTER_MODELS + name


def is_classifier(role: str) -> bool:
    """Whether the model of that role is an image classifier."""
    return role in CLASSIFIERS or role.startswith(FILTER_MODELS)


def is_lora(role: str) -> bool:
    """Whether it is one of the roles of LoRAs, which are numbered."""
    return role.split()[0] == "lora"


def is_embedding(role: str) -> bool:
    """Whether it is one of the roles of textual inversions, which are numbered."""
    return role.split()[0] == "embedding"


def without_option(role: str, name: str) -> str:
    """The path or hub id in the name of a model, without the strength of a LoRA or the token of a
    textual inversion.

    Raises:
        ValueError: that is none.
    """
    if is_lora(role):
        return lora_and_strength(name)[0]
    return embedding_and_token(name)[0] if is_embedding(role) else name


def local_path(role: str, name: str, download: bool = True) -> Path:
    """The absolute path of a model's folder or file: embedded, the one that the user gave (see
    `hub.absolute` for links), or the local copy of a hub id.

    Args:
        name: of a LoRA, with its strength if it has one; of a textual inversion, with its token.
        download: fetch a hub id that is not on this machine.

    Raises:
        ValueError: there is none, or it is a single file where a folder is needed.
    """
    if name == EMBEDDED and role in ROLES:
        return muse.mini.WEIGHTS / ROLES[role]
    name = without_option(role, name)
    if is_embedding(role):
        return embedding_files.embedding_place(name, download)
    file = local_file(name)
    if file.suffix == SINGLE_FILE and file.is_file():
        if role.split()[0] not in SINGLE_FILES:
            raise ValueError("it is a single file; give its folder")
        return file
    if role == "fitted_tokens":
        raise ValueError(f"{_why_no_file(file)}; {REMEDY}")
    return local_model(name, download) if role == "model" else local_folder(name, download=download)


def _why_no_file(file: Path) -> str:
    if file.is_dir():
        return f"it is a folder; give the file in it that ends in {SINGLE_FILE}"
    if file.exists():
        return f"its name does not end in {SINGLE_FILE}"
    return "there is no such file on this machine"


def read_from(role: str, path: Path) -> Path:
    """The folder or file that a model at that path is read from: of the folder of a LoRA or of a
    textual inversion, one file.

    Where it is not known which, `PartFit.problems` says so.
    """
    usual = {"lora": lora_files.USUAL_FILE, "embedding": embedding_files.USUAL_FILE}
    kind = role.split()[0]
    if kind in usual:
        with contextlib.suppress(ValueError):
            return chosen_file(path, usual[kind], kind)
    return path


def names_of(config: Config) -> dict[str, str]:
    """Every model as the settings name it, by its role."""
    names = main_names(config) | part_names(config)
    filters = config.filter_models.items()
    return names | {filter_role(name): folder_and_label(value)[0] for name, value in filters}


def main_names(config: Config) -> dict[str, str]:
    """Those of `ROLES`; of `content_judge` only where it is not the model of `similarity`."""
    names = {role: getattr(config, role) for role in ROLES}
    names["content_judge"] = config.own_content_judge
    return {role: name for role, name in names.items() if name is not None}


def part_names(config: Config) -> dict[str, str]:
    """Those of the models that replace or change a part of `model`: VAE, tiny decoder, LoRAs,
    textual inversions, fitted tokens."""
    tiny_vae = "" if config.tiny_vae == NO_TINY_VAE else config.tiny_vae
    fitted = "" if config.fitted_tokens == NO_FITTED_TOKENS else config.fitted_tokens
    names = {"vae": config.vae, "tiny_vae": tiny_vae, "fitted_tokens": fitted}
    names |= {f"lora {number}": name for number, name in enumerate(config.lora)}
    names |= {f"embedding {number}": name for number, name in enumerate(config.embedding)}
    return {role: name for role, name in names.items() if name}


def is_here(role: str, name: str) -> bool:
    """Whether a model needs no download."""
    try:
        local_path(role, name, download=False)
    except NotOnThisMachine:
        return False
    except ValueError:
        pass  # `locate` says what is wrong with it
    return True
