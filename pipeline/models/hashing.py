"""Content hashes of models: of all that a model is read from, and of classifiers' weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from muse.classifiers.spec import ClassifierSpec, read_spec
from muse.diffusion.files.hub import configs_beside
from pipeline.models.model_safety import read_files
from pipeline.models.roles import is_classifier
from pipeline.storage.files import sha256_file, sha256_folder

SAMPLED_BYTES = 1 << 20
"""At either end of a file, where it is not read as a whole."""

HashFile = Callable[[Path], str]
"""The SHA-256 of a file as hex. Pass a cached one where two models may share files."""


def hash_model(path: Path, role: str, sha256: HashFile = sha256_file) -> str:
    """One SHA-256, as hex, of all that a model is read from.

    Args:
        path: a folder, or a single file; the folder that describes a single file is hashed with it.
        role: that the setting gives it. A classifier may refer to further folders, and what lies
            beside the parts of a diffusion model is never read.
    """
    hash_folder = _hash_parts if role == "model" else sha256_folder
    if path.is_file():
        configs = configs_beside(path)
        hashes = [sha256(path)]
        if configs is not None:
            hashes.append(hash_folder(configs, sha256))
    else:
        folders = read_spec(path).folders() if is_classifier(role) else (path,)
        hashes = [hash_folder(folder, sha256) for folder in folders]
    return hashes[0] if len(hashes) == 1 else _combine(hashes)


def hash_weights(classifier: ClassifierSpec, sha256: HashFile = sha256_file) -> str:
    """SHA-256 of a single classifier's weights: the same for copies under other names."""
    files = set[Path]()
    for folder in classifier.folders():
        files |= {*folder.glob("*.safetensors")}
    return _combine(sorted(sha256(file) for file in files))


def sample_file(path: Path) -> str:
    """What tells a file of weights from others without reading all of it: its size and its ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        beginning = file.read(SAMPLED_BYTES)
        file.seek(max(0, size - SAMPLED_BYTES))
        return hashlib.sha256(f"{size}\0".encode() + beginning + file.read()).hexdigest()


def _hash_parts(folder: Path, sha256: HashFile) -> str:
    """The hash of the folder of a diffusion model: of what it is read from alone.

    What lies beside may be a page about it, or all of its parts in one file of several GB.
    """
    return sha256_folder(folder, sha256, only=read_files(folder, in_parts=True))


def _combine(hashes: list[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
