"""Whether the settings of a classifier say what they seem to say: nothing in them is guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from muse.emotions.labels import clean

ACTIVATIONS = ("relu", "gelu", "tanh")
"""Between the layers of a head."""

CALIBRATION = ("temperature", "multi_label")

KEYS: Mapping[str, tuple[str, ...]] = {
    "model": ("kind", "about", "model", *CALIBRATION),
    "zero-shot": ("kind", "about", "model", "prompts", *CALIBRATION),
    "head": ("kind", "about", "backbone", "head", "labels", "activation", *CALIBRATION),
    "ensemble": ("kind", "about", "members"),
}
"""By kind: the keys of a classifier.json. `about` holds what only people read."""

MEMBER_KEYS = ("folder", "label_map")

PROBLEM_TYPES = (None, "single_label_classification", "multi_label_classification")
"""Of a config.json whose outputs are the logits of labels."""


def _is_temperature(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(map(_is_text, value))


def _is_prompts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_texts, value.values()))


VALUES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (_is_temperature, "give a number above 0"),
    "multi_label": (lambda value: isinstance(value, bool), "give true or false"),
    "model": (_is_text, "give a folder"),
    "backbone": (_is_text, "give a folder"),
    "head": (_is_text, "give a .safetensors file beside it"),
    "activation": (lambda value: value in [*ACTIVATIONS], f"choose {', '.join(ACTIVATIONS)}"),
    "labels": (_is_texts, "labels must name the head's outputs, in their order"),
    "prompts": (_is_prompts, "prompts must give each label a list of prompts"),
}
"""By key of a classifier.json: whether a value is right, and what to give."""


def check_values(file: Path, settings: Mapping[str, Any]) -> None:
    """Whether the values in a classifier.json can be read.

    Raises:
        ValueError: one cannot, with its key and the remedy.
    """
    for key, (is_right, remedy) in VALUES.items():
        if key in settings and not is_right(settings[key]):
            raise ValueError(f"{file}: {key} is {settings[key]!r}; {remedy}")


def check_keys(file: Path, settings: Mapping[str, Any], kind: str) -> None:
    """Whether a classifier of this kind reads every key of its classifier.json.

    Raises:
        ValueError: it does not, with the nearest key that it reads.
    """
    every = {key for keys in KEYS.values() for key in keys}
    for key in settings:
        if key in KEYS[kind]:
            continue
        if key in every:
            raise ValueError(
                f"{file}: {key} has no effect on a classifier of the kind {kind}; take it out, or "
                f"give the kind that reads it ({', '.join(k for k in KEYS if key in KEYS[k])})"
            )
        raise ValueError(f"{file}: {_unknown(key, KEYS[kind])}; notes for people belong in `about`")


def check_member(file: Path, member: Any) -> Mapping[str, Any]:
    """A member of an ensemble as {folder, label_map}.

    Raises:
        ValueError: it is neither a folder nor such a table.
    """
    entry: Any = {"folder": member} if isinstance(member, str) else member
    names = entry.get("label_map", {}) if isinstance(entry, dict) else None
    is_map = isinstance(names, dict) and all(isinstance(name, str) for name in names.values())
    if not is_map or not _is_text(entry.get("folder")):
        raise ValueError(f"{file}: a member is a folder, or {{folder, label_map}}; got {member!r}")
    for key in entry:
        if key not in MEMBER_KEYS:
            raise ValueError(f"{file}: members: {_unknown(key, MEMBER_KEYS)}")
    return entry


def _unknown(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown key {key!r}; {remedy}"


def labels_of(file: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels of a classifier in the order of its outputs.

    Args:
        file: the config.json that `config` is the content of.

    Raises:
        ValueError: its outputs are no logits of labels, are not numbered from 0 without gaps, or
            have other numbers in `label2id`.
    """
    if config.get("problem_type") not in PROBLEM_TYPES:
        raise ValueError(
            f"the problem_type in {file} is {config['problem_type']!r}, whose outputs are no "
            f"probabilities of labels; give a model of {' or '.join(map(str, PROBLEM_TYPES[1:]))}"
        )
    names = config.get("id2label") or {}
    if not (isinstance(names, dict) and all(str(key).isdecimal() for key in names)):
        raise ValueError(
            f"the id2label in {file} is no table of labels by the numbers of "
            'outputs, as {"0": "awe", "1": "fear"}; correct it'
        )
    if not names:
        raise ValueError(f"{file} names no labels (id2label); is it a classifier?")
    numbered = {int(key): name for key, name in names.items()}
    numbers = sorted(map(int, names))
    if numbers != [*range(len(names))]:
        raise ValueError(
            f"the id2label in {file} numbers its {len(names)} labels "
            f"{', '.join(map(str, numbers))}, but outputs are numbered from 0 without gaps; "
            "correct it by the data that the model was trained on"
        )
    for number, name in numbered.items():
        if not isinstance(name, str | int):
            raise ValueError(f"the id2label in {file} has {name!r} for {number}; give a name")
    labels = tuple(str(numbered[number]) for number in numbers)
    _check_reverse(file, labels, config.get("label2id") or {})
    return labels


def _check_reverse(file: Path, labels: tuple[str, ...], reverse: Any) -> None:
    """
    Raises:
        ValueError: `label2id` is no table, or contradicts the labels of `id2label`.
    """
    if not isinstance(reverse, dict):
        raise ValueError(f"the label2id in {file} is {reverse!r}, no table; take it out")
    cleaned = [clean(label) for label in labels]
    # Names that id2label does not have are left over from another model, and are not read.
    for label, number in reverse.items():
        own = [i for i, name in enumerate(cleaned) if name == clean(label)]
        # transformers and others write the numbers as such or as text.
        if own and str(number) not in map(str, own):
            raise ValueError(
                f"{file} contradicts itself: {label!r} is {number!r} in label2id, but {own[0]} in "
                "id2label; correct one by the data that the model was trained on, or take out "
                "label2id"
            )
