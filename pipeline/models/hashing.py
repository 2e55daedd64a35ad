"""Content hashes of models: of all that a model is read from, and of classifiers' weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from muse.classifiers.spec import ClassifierSpec, read_spec
from muse.diffusion.files.hub import configs_beside
from pipeline.storage.files import sha256_file, sha256_folder

HashFile = Callable[[Path], str]
"""The SHA-256 of a file as hex. Pass a cached one where two models may share files."""


def hash_model(path: Path, classifier: bool, sha256: HashFile = sha256_file) -> str:
    """One SHA-256, as hex, of all that a model is read from.

    Args:
        path: a folder, or a single file; the folder that describes a single file is hashed with it.
        classifier: the model is a classifier, which may refer to further folders.
    """
    if path.is_file():
        configs = configs_beside(path)
        hashes = [sha256(path)]
        if configs is not None:
            hashes.append(sha256_folder(configs, sha256))
    else:
        folders = read_spec(path).folders() if classifier else (path,)
        hashes = [sha256_folder(folder, sha256) for folder in folders]
    return hashes[0] if len(hashes) == 1 else _combine(hashes)


def hash_weights(classifier: ClassifierSpec, sha256: HashFile = sha256_file) -> str:
    """SHA-256 of a single classifier's weights: the same for copies under other names."""
    files = set[Path]()
    for folder in classifier.folders():
        files |= {*folder.glob("*.safetensors")}
    return _combine(sorted(sha256(file) for file in files))


def _combine(hashes: list[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
