"""The specification of a classifier folder, read from its JSON files before any weights are loaded.

- `config.json` of an image classifier: an `AutoModelForImageClassification` folder.
- `config.json` of a CLIP or SigLIP model: zero-shot, with a default prompt for each emotion.
- `classifier.json`: overrides or completes it. Beside a config.json, `{"temperature": 1.2}`
  calibrates the classifier, and `{"multi_label": true}` allows several emotions in one image (as
  `problem_type` does in a config.json). It may also have a `kind`, one of
  `{"kind": "zero-shot", "model": FOLDER, "prompts": {LABEL: [PROMPT, ..], ..}}`,
  `{"kind": "head", "backbone": FOLDER, "head": FILE, "labels": [LABEL, ..]}` and
  `{"kind": "ensemble", "members": [FOLDER or {"folder": FOLDER, "label_map": {..}}, ..]}`.
  Folders in it are relative to the file; `model` and `backbone` default to the folder itself.
  Other keys are refused; `about` takes notes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from muse.classifiers.spec_values import check_keys, check_member, check_values, labels_of
from muse.emotions import Taxonomy
from muse.emotions.labels import assignment, clean

SPEC_FILE = "classifier.json"
CONTRASTIVE = ("clip", "siglip", "siglip2")
"""Types of models that embed images and texts alike, so that new labels need no training."""


@dataclass(frozen=True)
class ClassifierSpec:
    """What one classifier folder contains.

    Attributes:
        kind: `model`, `zero-shot`, `head` or `ensemble`.
        folder: the folder itself.
        weights: the folder of the model or the backbone, usually the same; of an
            ensemble, the folder itself.
        labels: its own labels, in the order of its outputs; empty where they are the taxonomy's
            (zero-shot without prompts of its own) or its members' (an ensemble).
        settings: the content of classifier.json.
        members: of an ensemble, each with its label map.
    """

    kind: str
    folder: Path
    weights: Path
    labels: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[tuple[ClassifierSpec, Mapping[str, str]], ...] = ()

    @property
    def temperature(self) -> float:
        return float(self.settings.get("temperature", 1.0))

    @property
    def multi_label(self) -> bool:
        """Whether an image may have several emotions, each probable by itself."""
        if "multi_label" in self.settings or self.kind != "model":
            return self.settings.get("multi_label", False)
        return (
            read_json(self.weights / "config.json").get("problem_type")
            == "multi_label_classification"
        )

    def check(self, taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None) -> None:
        """Match its labels with the taxonomy.

        Raises:
            ValueError: they do not match (see `muse.emotions.labels.assignment`).
        """
        if self.kind != "ensemble":
            assignment(self.labels or taxonomy.labels, taxonomy, label_map)
        elif label_map:
            raise ValueError(
                f"{self.folder} is an ensemble; its {SPEC_FILE} gives each member a label_map"
            )
        for member, own in self.members:
            try:
                member.check(taxonomy, own)
            except ValueError as error:
                raise ValueError(f"{member.folder}: {error}") from None

    def own_taxonomy(self) -> Taxonomy:
        """Its own labels as a taxonomy, for a classifier of something other than emotions.

        Raises:
            ValueError: it has fewer than two labels.
        """
        labels = tuple(clean(label) for label in next(self.leaves()).labels)
        if len({*labels}) < 2:
            raise ValueError(
                f"{self.folder} needs two labels or more (it has {', '.join(labels) or 'none'})"
            )
        return Taxonomy(self.folder.name, labels, (0,) * len(labels), ())

    def leaves(self) -> Iterator[ClassifierSpec]:
        """The single classifiers in it: itself, or those of its members."""
        if not self.members:
            yield self
        for member, _ in self.members:
            yield from member.leaves()

    def folders(self) -> tuple[Path, ...]:
        """Every folder that loading it reads."""
        inner = (folder for member, _ in self.members for folder in member.folders())
        return tuple(dict.fromkeys((self.folder, self.weights, *inner)))


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: not readable, or not an object.
    """
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{file} cannot be read ({why})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} is not a JSON object")
    return content


def safe_config(folder: Path) -> dict[str, Any]:
    """The config.json of a folder that is safe to load: weights in safetensors, no code of its own.

    Raises:
        ValueError: it is not, with the remedy.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder} is not a classifier folder: it has no config.json and no {SPEC_FILE}"
        )
    config = read_json(folder / "config.json")
    if "auto_map" in config:
        raise ValueError(
            f"{folder} needs code of its own (auto_map in its config.json), which is never run; "
            "use a model whose architecture is part of transformers"
        )
    if not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{folder} has no .safetensors weights; convert them (save_pretrained writes "
            "safetensors): pickled weights are never loaded"
        )
    return config


def read_spec(folder: Path, ancestors: tuple[Path, ...] = ()) -> ClassifierSpec:
    """The specification of a classifier folder.

    Args:
        ancestors: the ensembles that this folder is a member of, outermost first.

    Raises:
        ValueError: not a classifier folder, not a safe one, or an invalid classifier.json.
    """
    folder = folder.resolve()
    if folder in ancestors:
        raise ValueError(f"{folder} is an ensemble that is a member of itself")
    settings = read_json(folder / SPEC_FILE) if (folder / SPEC_FILE).is_file() else {}
    check_values(folder / SPEC_FILE, settings)
    kind = settings.get("kind")
    if kind == "ensemble":
        check_keys(folder / SPEC_FILE, settings, kind)
        members = tuple(_members(folder, settings, (*ancestors, folder)))
        return ClassifierSpec(kind, folder, folder, (), settings, members)
    if kind == "head":
        return _head_spec(folder, settings)
    if kind not in (None, "model", "zero-shot"):
        raise ValueError(
            f"{folder / SPEC_FILE}: kind is {kind!r}; choose model, zero-shot, head or ensemble"
        )
    weights = folder / settings.get("model", ".")
    config = safe_config(weights)
    # A CLIP without a classification head is zero-shot, also where no classifier.json says so.
    classifies = any("ForImageClassification" in name for name in config.get("architectures") or ())
    contrastive = config.get("model_type") in CONTRASTIVE
    if kind == "zero-shot" or (kind is None and contrastive and not classifies):
        return _zero_shot_spec(folder, weights, settings, config)
    return _model_spec(folder, weights, settings, config)


def _model_spec(
    folder: Path, weights: Path, settings: Mapping[str, Any], config: Mapping[str, Any]
) -> ClassifierSpec:
    check_keys(folder / SPEC_FILE, settings, "model")
    labels = labels_of(weights / "config.json", config)
    return ClassifierSpec("model", folder, weights.resolve(), labels, settings)


def _zero_shot_spec(
    folder: Path, weights: Path, settings: Mapping[str, Any], config: Mapping[str, Any]
) -> ClassifierSpec:
    if config.get("model_type") not in CONTRASTIVE:
        raise ValueError(
            f"{weights} is no CLIP or SigLIP; only those classify without training (zero-shot)"
        )
    check_keys(folder / SPEC_FILE, settings, "zero-shot")
    prompts = tuple(settings.get("prompts", ()))
    return ClassifierSpec("zero-shot", folder, weights.resolve(), prompts, settings)


def _head_spec(folder: Path, settings: Mapping[str, Any]) -> ClassifierSpec:
    check_keys(folder / SPEC_FILE, settings, "head")
    weights = folder / settings.get("backbone", ".")
    safe_config(weights)
    labels, head = settings.get("labels"), settings.get("head", "")
    if labels is None:
        raise ValueError(
            f"{folder / SPEC_FILE}: labels must name the head's outputs, in their order"
        )
    if not head.endswith(".safetensors") or not (folder / head).is_file():
        raise ValueError(
            f"{folder / SPEC_FILE}: head is {head!r}; give a .safetensors file beside it"
        )
    return ClassifierSpec("head", folder, weights.resolve(), tuple(labels), settings)


def _members(
    folder: Path, settings: Mapping[str, Any], ancestors: tuple[Path, ...]
) -> Iterator[tuple[ClassifierSpec, Mapping[str, str]]]:
    members = settings.get("members")
    if not isinstance(members, list) or len(members) < 2:
        raise ValueError(f"{folder / SPEC_FILE}: members must list two folders or more")
    for member in members:
        entry = check_member(folder / SPEC_FILE, member)
        yield read_spec(folder / entry["folder"], ancestors), entry.get("label_map", {})
