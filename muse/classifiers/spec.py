"""What a classifier folder is, told by its JSON files alone, before anything of it is loaded.

- `config.json` of an image classifier: an `AutoModelForImageClassification` folder.
- `config.json` of a CLIP or SigLIP: zero-shot, with a default prompt for each emotion.
- `classifier.json`: says more. `{"temperature": 1.2}` beside a config.json calibrates it; `{"multi_label": true}` says,
  as `problem_type` in a config.json does, that an image may have several emotions; by its `kind` it is
  `{"kind": "zero-shot", "model": FOLDER, "prompts": {LABEL: [PROMPT, ..], ..}}`,
  `{"kind": "head", "backbone": FOLDER, "head": FILE, "labels": [LABEL, ..]}` or
  `{"kind": "ensemble", "members": [FOLDER or {"folder": FOLDER, "label_map": {..}}, ..]}`.
  Folders in it are relative to the file. `model` and `backbone` may be left out where they are this folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from muse.emotions import Taxonomy
from muse.emotions.labels import assignment, clean

SETTINGS = "classifier.json"
CONTRASTIVE = ("clip", "siglip", "siglip2")
"""Model types that know images and texts, and so need no training for new labels."""


@dataclass(frozen=True)
class Source:
    """One classifier folder.

    Attributes:
        kind: `model`, `zero-shot`, `head` or `ensemble`.
        folder: where it lies.
        weights: the folder of the model or the backbone, mostly the same; of an ensemble, the folder itself.
        labels: its own labels, in the order of its outputs; empty where they are the taxonomy's (zero-shot without
            prompts of its own) or its members' (an ensemble).
        settings: the content of classifier.json.
        members: of an ensemble, each with its label map.
    """

    kind: str
    folder: Path
    weights: Path
    labels: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[tuple[Source, Mapping[str, str]], ...] = ()

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
        """Hold its labels against the taxonomy.

        Raises:
            ValueError: they do not match (see `muse.emotions.labels.assignment`).
        """
        if self.kind != "ensemble":
            assignment(self.labels or taxonomy.labels, taxonomy, label_map)
        elif label_map:
            raise ValueError(
                f"{self.folder} is an ensemble; give the label_map of each member in its {SETTINGS}"
            )
        for member, own in self.members:
            try:
                member.check(taxonomy, own)
            except ValueError as error:
                raise ValueError(f"{member.folder}: {error}") from None

    def own_taxonomy(self) -> Taxonomy:
        """Its own labels, under which a classifier of something else than emotions is read.

        Raises:
            ValueError: it has no two labels.
        """
        labels = tuple(clean(label) for label in next(self.leaves()).labels)
        if len({*labels}) < 2:
            raise ValueError(
                f"{self.folder} tells no two labels apart (it names {', '.join(labels) or 'none'})"
            )
        return Taxonomy(self.folder.name, labels, (0,) * len(labels), ())

    def leaves(self) -> Iterator[Source]:
        """The single classifiers that it asks: itself, or those of its members."""
        if not self.members:
            yield self
        for member, _ in self.members:
            yield from member.leaves()

    def folders(self) -> tuple[Path, ...]:
        """Every folder that is read."""
        inner = (folder for member, _ in self.members for folder in member.folders())
        return tuple(dict.fromkeys((self.folder, self.weights, *inner)))


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: not readable, or not an object.
    """
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file} is not a JSON object")
    return found


def safe_config(folder: Path) -> dict[str, Any]:
    """The config.json of a folder that is safe to load: weights in safetensors, no code of its own.

    Raises:
        ValueError: it is not, with the remedy.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder} is not a classifier folder: it has no config.json and no {SETTINGS}"
        )
    config = read_json(folder / "config.json")
    if "auto_map" in config:
        raise ValueError(
            f"{folder} asks for code of its own (auto_map in its config.json), which is never run; "
            "take a model of an architecture that transformers knows"
        )
    if not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{folder} has no .safetensors weights; convert them (save_pretrained writes safetensors): "
            "pickled weights are never loaded"
        )
    return config


def read_source(folder: Path, around: tuple[Path, ...] = ()) -> Source:
    """What the folder is. `around` are the ensembles that it stands in.

    Raises:
        ValueError: not a classifier folder, not a safe one, or a broken classifier.json.
    """
    folder = folder.resolve()
    if folder in around:
        raise ValueError(f"{folder} is an ensemble that is a member of itself")
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    multi_label, kind = settings.get("multi_label", False), settings.get("kind")
    if not isinstance(multi_label, bool):
        raise ValueError(f"{folder / SETTINGS}: multi_label is {multi_label!r}; give true or false")
    if kind == "ensemble":
        return Source(
            kind, folder, folder, (), settings, tuple(_members(folder, settings, (*around, folder)))
        )
    if kind == "head":
        weights = folder / settings.get("backbone", ".")
        safe_config(weights)
        labels, head = settings.get("labels"), settings.get("head", "")
        if not isinstance(labels, list) or not labels:
            raise ValueError(
                f"{folder / SETTINGS}: labels must name the head's outputs, in their order"
            )
        if not head.endswith(".safetensors") or not (folder / head).is_file():
            raise ValueError(
                f"{folder / SETTINGS}: head is {head!r}; give the name of a .safetensors file beside it"
            )
        return Source(kind, folder, weights.resolve(), tuple(map(str, labels)), settings)
    if kind not in (None, "model", "zero-shot"):
        raise ValueError(
            f"{folder / SETTINGS}: kind is {kind!r}; choose model, zero-shot, head or ensemble"
        )
    weights = folder / settings.get("model", ".")
    config = safe_config(weights)
    classifies = any("ForImageClassification" in name for name in config.get("architectures") or ())
    if kind == "zero-shot" or (
        kind is None and config.get("model_type") in CONTRASTIVE and not classifies
    ):
        if config.get("model_type") not in CONTRASTIVE:
            raise ValueError(
                f"{weights} is no CLIP or SigLIP; only those classify without training (zero-shot)"
            )
        prompts = settings.get("prompts", {})
        if not isinstance(prompts, Mapping) or not all(
            isinstance(told, list) and told for told in prompts.values()
        ):
            raise ValueError(f"{folder / SETTINGS}: prompts must give each label a list of prompts")
        return Source("zero-shot", folder, weights.resolve(), tuple(prompts), settings)
    names = config.get("id2label") or {}
    labels = tuple(str(names[key]) for key in sorted(names, key=int))
    if not labels:
        raise ValueError(
            f"{weights / 'config.json'} names no labels (id2label); is it a classifier?"
        )
    return Source("model", folder, weights.resolve(), labels, settings)


def _members(
    folder: Path, settings: Mapping[str, Any], around: tuple[Path, ...]
) -> Iterator[tuple[Source, Mapping[str, str]]]:
    members = settings.get("members")
    if not isinstance(members, list) or len(members) < 2:
        raise ValueError(f"{folder / SETTINGS}: members must list two folders or more")
    for member in members:
        told: Any = {"folder": member} if isinstance(member, str) else member
        sound = isinstance(told, Mapping) and isinstance(told.get("folder"), str)
        if not sound or not isinstance(told.get("label_map", {}), Mapping):
            raise ValueError(
                f"{folder / SETTINGS}: a member is a folder, or {{folder, label_map}}; got {member!r}"
            )
        yield read_source(folder / told["folder"], around), told.get("label_map", {})
