"""The models of a run: where they lie, what they are (content hashes), and how a worker loads them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import muse.mini
from muse.hub import local_folder
from muse.sources import Source, read_source
from pipeline.config import EMBEDDED, SAME_JUDGE, Config
from pipeline.errors import UserError
from pipeline.storage import sha256_file, sha256_folder

if TYPE_CHECKING:
    from muse.classifiers import EmotionClassifier
    from muse.engine import MuseEngine
    from muse.similarity import ClipSimilarity

ROLES = {"model": "diffusion", "guide": "guide", "judge": "judge", "similarity": "clip"}
"""Setting: folder of the embedded weights that serves it by default."""


CLASSIFIERS = ("guide", "judge")


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of a run: the name the user gave, the folder it lies in, the hash of its content.

    Attributes:
        weights: of a classifier, a hash of the weights of each single classifier that it asks.
    """

    name: str
    path: str
    sha256: str
    weights: tuple[str, ...] = ()


def locate(config: Config) -> dict[str, Model]:
    """Every model of the run by its role, hashed; classifiers' labels held against the taxonomy.

    Raises:
        UserError: a folder that is not there, a hub id that is not in the local cache and cannot be fetched, a
            classifier that is not safe to load or whose labels do not match, or a judge that is the guide.
    """
    found = {}
    for role, folder in ROLES.items():
        name = getattr(config, role)
        try:
            path = muse.mini.WEIGHTS / folder if name == EMBEDDED else _located(name)
            if role in CLASSIFIERS:
                source = read_source(path)
                source.check(config.taxonomy, config.label_map.get(role))
        except ValueError as error:
            where = f"; the label_map is the table [label_map.{role}]" if "label_map" in str(error) else ""
            raise UserError(f"--{role} {name!r}: {error}{where}") from None
        if role in CLASSIFIERS:
            found[role] = Model(name, str(path), _hash_of(source), tuple(_weights_of(leaf) for leaf in source.leaves()))
        else:
            found[role] = Model(name, str(path), _hash_at(path))
    parts = {"vae": config.vae, "preview": config.preview}
    parts |= {f"lora {number}": name for number, name in enumerate(config.lora)}
    for part, name in parts.items():
        if name:
            try:
                path = _located(name)
            except ValueError as error:
                raise UserError(f"config: {part.split()[0]} {name!r}: {error}") from None
            found[part] = Model(name, str(path), _hash_at(path))
    if is_same_judge(found) and not config.allow_same_judge:
        raise UserError(f"--guide and --judge have the same weights; {SAME_JUDGE}")
    return found


def is_same_judge(models: Mapping[str, Model]) -> bool:
    """Whether the judge, or a member of it, is the guide or a member of it, by the content of their weights."""
    guide, judge = ({*models[role].weights} if role in models else set() for role in CLASSIFIERS)
    return not guide.isdisjoint(judge)


def _located(name: str) -> Path:
    """A folder, a single `.safetensors` file, or the local copy of a hub id."""
    file = Path(name).expanduser()
    return file.resolve() if file.suffix == ".safetensors" and file.is_file() else local_folder(name)


def _hash_at(path: Path) -> str:
    return sha256_file(path) if path.is_file() else sha256_folder(path)


def _hash_of(source: Source) -> str:
    """One hash of all that a classifier is read from, which may lie in several folders."""
    parts = [sha256_folder(folder) for folder in source.folders()]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def _weights_of(leaf: Source) -> str:
    """A hash of a single classifier's weights alone: copies under other names or settings count as the same."""
    files = {file for folder in leaf.folders() for file in folder.glob("*.safetensors")}
    return hashlib.sha256("".join(sorted(sha256_file(file) for file in files)).encode()).hexdigest()


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
    from muse.classifiers import load_classifier
    from muse.engine import MuseEngine
    from muse.similarity import ClipSimilarity

    backbone = load_backbone(
        models["model"].path,
        device,
        config.dtype,
        models["vae"].path if "vae" in models else None,
        [models[f"lora {number}"].path for number in range(len(config.lora))],
        models["preview"].path if "preview" in models else None,
    )
    guide, judge = (
        load_classifier(models[role].path, config.taxonomy, config.label_map.get(role)).to(device)
        for role in CLASSIFIERS
    )
    clip = ClipSimilarity.from_pretrained(models["similarity"].path).to(device)
    side = backbone.latent_shape[-1] * backbone.codec.pixels_per_latent
    return Loaded(MuseEngine(backbone, guide, clip, config.method, config.slots), guide, judge, clip, device, side)
