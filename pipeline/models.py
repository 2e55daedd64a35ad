"""The models of a run: where they lie, what they are (content hashes), and how a worker loads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import muse.mini
from pipeline.config import EMBEDDED, Config
from pipeline.errors import UserError
from pipeline.storage import sha256_folder

if TYPE_CHECKING:
    from muse.classifiers import EmotionClassifier
    from muse.engine import MuseEngine
    from muse.similarity import ClipSimilarity

ROLES = {"model": "diffusion", "guide": "guide", "judge": "judge", "similarity": "clip"}
"""Setting: folder of the embedded weights that serves it by default."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of a run: the name the user gave, the folder it lies in, the hash of its content."""

    name: str
    path: str
    sha256: str


def locate(config: Config) -> dict[str, Model]:
    """Every model of the run by its role, hashed.

    Raises:
        UserError: a folder that is not there, or a hub id that is not in the local cache and cannot be fetched.
    """
    found = {}
    for role, folder in ROLES.items():
        name = getattr(config, role)
        path = muse.mini.WEIGHTS / folder if name == EMBEDDED else _resolve(role, name)
        if not path.is_dir():
            raise UserError(f"--{role} {name!r}: there is no folder {path}")
        found[role] = Model(name, str(path), sha256_folder(path))
    if found["guide"].sha256 == found["judge"].sha256:
        raise UserError("--guide and --judge are the same model; a judge that was optimised against confirms anything")
    return found


def _resolve(role: str, name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise UserError(f"--{role} {name!r}: there is no such folder, and it is not a hub id (owner/name)")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model"]))
    except Exception as error:  # hub errors come in many classes, all mean the same to the user
        raise UserError(
            f"--{role} {name!r}: no such folder here, and the hub gave: {type(error).__name__}; "
            "check the name, or download it and give the folder"
        ) from None


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What a worker holds."""

    engine: MuseEngine
    guide: EmotionClassifier
    judge: EmotionClassifier
    clip: ClipSimilarity
    device: str
    side: int


def load(models: Mapping[str, Model], config: Config, device: str) -> Loaded:
    """Load all models onto `device`, through the same code whatever they are."""
    from muse.backbones import load_backbone
    from muse.classifiers import FolderClassifier
    from muse.engine import MuseEngine
    from muse.similarity import ClipSimilarity

    backbone = load_backbone(models["model"].path, device)
    guide = FolderClassifier.from_pretrained(models["guide"].path).to(device)
    judge = FolderClassifier.from_pretrained(models["judge"].path).to(device)
    clip = ClipSimilarity.from_pretrained(models["similarity"].path).to(device)
    side = backbone.latent_shape[-1] * backbone.codec.pixels_per_latent
    return Loaded(MuseEngine(backbone, guide, clip, config.method), guide, judge, clip, device, side)
