"""Loads a classifier of any kind from a folder or a hub id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muse.classifiers.base import ImageClassifier
from muse.classifiers.contrastive import SIMILARITY, check_contrastive
from muse.classifiers.ensemble import EnsembleClassifier
from muse.classifiers.folder import FolderClassifier, check_weights
from muse.classifiers.head import HeadClassifier
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import CONTRASTIVE, ClassifierSpec, read_spec
from muse.classifiers.zero_shot import ZeroShotClassifier
from muse.diffusion.files.hub import local_folder
from muse.emotions import MIKELS, Taxonomy

KINDS: dict[str, Any] = {
    "model": FolderClassifier,
    "zero-shot": ZeroShotClassifier,
    "head": HeadClassifier,
}

TYPES = {"similarity": SIMILARITY, "zero-shot": CONTRASTIVE}
"""What the config.json of models that read texts may name as model_type, by their use."""


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


def check_folder(folder: Path, spec: ClassifierSpec | None) -> None:
    """Whether a model can be loaded, and images reach it as its folder says; loads no weights.

    Args:
        spec: of a classifier; None for a CLIP that measures similarity.

    Raises:
        ValueError: the CLIP, or a classifier in the folder, lacks weights or a vocabulary, or its
            image processor is not supported, or makes images that the model does not take.
    """
    from transformers import AutoModel, AutoModelForImageClassification

    from muse.classifiers.input_check import input_problem

    models = [(folder, "similarity")]
    if spec is not None:
        models = [(leaf.weights, leaf.kind) for leaf in spec.leaves()]
    for place, role in models:
        if role in TYPES:
            check_contrastive(place, TYPES[role])
        side = Preprocessing.from_pretrained(place).side
        embeds = role != "model"
        if problem := input_problem(place, side, embeds):
            raise ValueError(f"{place}: {problem}")
        check_weights(AutoModel if embeds else AutoModelForImageClassification, place)


def _open(
    spec: ClassifierSpec, taxonomy: Taxonomy, label_map: Mapping[str, str]
) -> ImageClassifier | EnsembleClassifier:
    spec.check(taxonomy, label_map)
    if spec.kind == "ensemble":
        return EnsembleClassifier(
            [_open(member, taxonomy, own) for member, own in spec.members], taxonomy
        )
    return KINDS[spec.kind].of(spec, taxonomy, label_map)
