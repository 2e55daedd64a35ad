"""A classifier from a folder or a hub id, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muse.classifiers.base import ImageClassifier
from muse.classifiers.ensemble import EnsembleClassifier
from muse.classifiers.folder import FolderClassifier
from muse.classifiers.head import HeadClassifier
from muse.classifiers.spec import Source, read_source
from muse.classifiers.zero_shot import ZeroShotClassifier
from muse.diffusion.hub import local_folder
from muse.emotions import MIKELS, Taxonomy

KINDS: dict[str, Any] = {
    "model": FolderClassifier,
    "zero-shot": ZeroShotClassifier,
    "head": HeadClassifier,
}


def load_classifier(
    path_or_id: str | Path, taxonomy: Taxonomy = MIKELS, label_map: Mapping[str, str] | None = None
) -> ImageClassifier | EnsembleClassifier:
    """The classifier in a folder or under a hub id, recognised by its files (see `muse.classifiers.spec`).

    Args:
        label_map: what labels of the classifier mean that are no names of the taxonomy; "" leaves one out.

    Raises:
        ValueError: no such folder, not safe to load, not a classifier, or labels that do not match.
    """
    return _open(read_source(local_folder(str(path_or_id))), taxonomy, label_map or {})


def _open(
    source: Source, taxonomy: Taxonomy, label_map: Mapping[str, str]
) -> ImageClassifier | EnsembleClassifier:
    source.check(taxonomy, label_map)
    if source.kind == "ensemble":
        return EnsembleClassifier(
            [_open(member, taxonomy, own) for member, own in source.members], taxonomy
        )
    return KINDS[source.kind].of(source, taxonomy, label_map)
