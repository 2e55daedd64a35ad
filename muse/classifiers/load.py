"""Loads a classifier of any kind from a folder or a hub id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muse.classifiers.base import ImageClassifier
from muse.classifiers.ensemble import EnsembleClassifier
from muse.classifiers.folder import FolderClassifier
from muse.classifiers.head import HeadClassifier
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import ClassifierSpec, read_spec
from muse.classifiers.zero_shot import ZeroShotClassifier
from muse.diffusion.files.hub import local_folder
from muse.emotions import MIKELS, Taxonomy

KINDS: dict[str, Any] = {
    "model": FolderClassifier,
    "zero-shot": ZeroShotClassifier,
    "head": HeadClassifier,
}


def load_classifier(
    path_or_id: str | Path, taxonomy: Taxonomy = MIKELS, label_map: Mapping[str, str] | None = None
) -> ImageClassifier | EnsembleClassifier:
    """The classifier at a folder or hub id, recognised by its files (see `muse.classifiers.spec`).

    Args:
        label_map: the emotion of each label that is not a name of the taxonomy; "" drops the label.

    Raises:
        ValueError: no such folder, not safe to load, not a classifier, or labels that do not match.
    """
    return _open(read_spec(local_folder(str(path_or_id))), taxonomy, label_map or {})


def check_preprocessing(folder: Path, spec: ClassifierSpec | None) -> None:
    """Whether images reach a model as its folder says; loads no weights.

    Args:
        spec: of a classifier; None for a CLIP that measures similarity.

    Raises:
        ValueError: the image processor of the CLIP, or of a classifier in it, is not supported, or
            makes images that the model does not take.
    """
    from muse.classifiers.input_check import input_problem

    models = [(folder, True)]
    if spec is not None:
        models = [(leaf.weights, leaf.kind != "model") for leaf in spec.leaves()]
    for place, embeds in models:
        side = Preprocessing.from_pretrained(place).side
        if problem := input_problem(place, side, embeds):
            raise ValueError(f"{place}: {problem}")


def _open(
    spec: ClassifierSpec, taxonomy: Taxonomy, label_map: Mapping[str, str]
) -> ImageClassifier | EnsembleClassifier:
    spec.check(taxonomy, label_map)
    if spec.kind == "ensemble":
        return EnsembleClassifier(
            [_open(member, taxonomy, own) for member, own in spec.members], taxonomy
        )
    return KINDS[spec.kind].of(spec, taxonomy, label_map)
