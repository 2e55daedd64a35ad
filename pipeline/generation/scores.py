"""Scores of the run's filters: functions of installed packages, and image classifiers from folders.

A score is computed as an image is made, and stored. `pipeline.generation.verdicts` decides by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from muse.classifiers.spec import read_spec
from muse.images import to_tensor
from pipeline.config import Config, folder_and_label
from pipeline.errors import UserError
from pipeline.models.locate import Model
from pipeline.models.node import on_this_node
from pipeline.models.roles import filter_role

if TYPE_CHECKING:
    from PIL.Image import Image

ENTRY_POINTS = "muse_batch.filters"
"""The group in which a package offers functions of an image and its record that return a score."""

Score = Callable[["Image", Mapping[str, Any]], float]


def providers(config: Config) -> dict[str, str]:
    """What computes the score of each filter, for the fingerprint.

    The content of a filter's model is hashed beside it, by its role.

    Raises:
        UserError: no installed package offers a filter of that name.
    """
    return {name: _provider(name, config) for name in sorted(config.filters)}


def load_scores(config: Config, models: Mapping[str, Model], on_gpu: bool) -> dict[str, Score]:
    """The filters' scores by name, with their models in memory."""
    scores: dict[str, Score] = {}
    for name in sorted(config.filters):
        if name in config.filter_models:
            scores[name] = _classifier_score(name, config, models[filter_role(name)], on_gpu)
        else:
            scores[name] = _entry_point(name).load()
    return scores


def scores_of(
    filters: Mapping[str, Score], image: Image, record: Mapping[str, Any]
) -> dict[str, float]:
    """The score of an image by each filter.

    Raises:
        ValueError: a filter gave something that is not a finite number.
    """
    scores = {name: float(score(image, record)) for name, score in filters.items()}
    for name, value in scores.items():
        if not math.isfinite(value):
            raise ValueError(f"filter {name} gave {value}")
    return scores


def _classifier_score(name: str, config: Config, model: Model, on_gpu: bool) -> Score:
    """The probability of the filter's label.

    Images are scored one by one: a score is then the same whatever the image is made together with.
    """
    import torch

    from muse.classifiers import load_classifier

    torch.set_num_threads(config.threads)
    device = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
    path = on_this_node(filter_role(name), model).path
    labels = read_spec(Path(path)).own_taxonomy()
    classifier = load_classifier(path, labels).to(device)
    position = labels.index(folder_and_label(config.filter_models[name])[1])

    def score(image: Image, _: Mapping[str, Any]) -> float:
        with torch.inference_mode():
            return float(classifier.probs(to_tensor(image)[None].to(device)).p[0, position])

    return score


def _provider(name: str, config: Config) -> str:
    if name in config.filter_models:
        return f"probability of {folder_and_label(config.filter_models[name])[1]!r}"
    point = _entry_point(name)
    return f"{point.value} of {point.dist.name} {point.dist.version}" if point.dist else point.value


def _entry_point(name: str) -> Any:
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINTS, name=name):
        return point
    known = ", ".join(sorted(entry_points(group=ENTRY_POINTS).names)) or "none"
    raise UserError(
        f"filters.{name}: no installed package offers it in its entry points {ENTRY_POINTS!r} "
        f"(there: {known}), and filter_models.{name} names no model for it"
    )
