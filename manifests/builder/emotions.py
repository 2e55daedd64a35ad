"""Emotions as people write them: names, lists, mixtures as `awe:0.6+fear:0.4`, and `all`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from manifests import schema
from manifests.builder.sources.json_table import parsed_object
from manifests.check import parse_row, shown

ALL = "all"

Target = tuple[tuple[str, float], ...]
"""Names and weights of one target, which sum to 1; empty for every emotion of the run."""


def parse_targets(text: str, labels: Sequence[str]) -> list[Target]:
    """The targets of `--emotions`: comma-separated names and mixtures, or `all`.

    Raises:
        ValueError: an unknown emotion, bad weights, or a target that is named twice.
    """
    parts = [part for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError("is empty; name emotions, as in awe,fear, or give all")
    names = [part.strip().lower() for part in parts]
    if ALL in names and ALL not in labels:
        single = [name for name in names if "+" not in name and ":" not in name]
        if len(single) > 1:
            raise ValueError(f"{text}: all is every emotion; give it alone, or only the others")
    targets: list[Target] = []
    for part in parts:
        is_all = part.strip().lower() == ALL and ALL not in labels
        for name in labels if is_all else [part]:
            target = _target(split_text(name)[0], labels)
            if target in targets:
                raise ValueError(f"names {name_of(target)!r} twice; name it once")
            targets.append(target)
    return targets


def row_targets(value: Any, labels: Sequence[str]) -> list[Target]:
    """The targets that the emotion of a row asks for; none if it has none.

    Args:
        value: text as `parse_targets` takes it, or JSON; a list of texts; a map of weights.

    Raises:
        ValueError: as `parse_targets`.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    if isinstance(value, str) and not value.lstrip().startswith(("{", "[")):
        return parse_targets(value, labels)
    if isinstance(value, str):
        value = _from_json(value)
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return parse_targets(",".join(value), labels)
    return [_target(value, labels)]


def name_of(target: Target) -> str:
    """`awe`, or `awe 0.6 + fear 0.4`; the heaviest first."""
    if len(target) == 1:
        return target[0][0]
    ranked = sorted(target, key=lambda part: -part[1])
    return " + ".join(f"{name} {weight:g}" for name, weight in ranked)


def split_text(text: str) -> list[Any]:
    """Comma-separated parts as a manifest holds them: a name, or a map of names to weights.

    Raises:
        ValueError: a mixture without weights, or with an emotion twice.
    """
    return [_part(part.strip()) for part in text.split(",") if part.strip()]


def _part(text: str) -> str | dict[str, float]:
    if "+" not in text and ":" not in text:
        return text
    weights: dict[str, float] = {}
    for member in text.split("+"):
        name, colon, number = member.rpartition(":")
        try:
            weight = float(number)
        except ValueError:
            colon = ""
        if not colon:
            raise ValueError(
                f"{shown(text)} is no mixture; give each emotion its weight, as in awe:0.6+fear:0.4"
            )
        if name.strip() in weights:
            raise ValueError(f"{shown(text)} names {name.strip()!r} twice; name it once")
        weights[name.strip()] = weight
    return weights


def _target(value: Any, labels: Sequence[str]) -> Target:
    """One target, checked as a manifest's is.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str | Mapping) and not _is_pairs(value):
        raise ValueError(f"is {shown(value)}; give a name, a list of names or a map of weights")
    for weight in value.values() if isinstance(value, Mapping) else ():
        if weight is not None and not isinstance(weight, int | float):
            raise ValueError(f"has the weight {shown(weight)}; give a number from 0 to 1")
    row, problems = parse_row(0, {schema.PROMPT: "-", schema.EMOTION: value}, labels)
    if row is None:
        raise ValueError("; ".join(problem.message for problem in problems))
    (emotion,) = row.emotions
    order = {label: place for place, label in enumerate(labels)}
    return tuple(sorted(emotion.items(), key=lambda part: order[part[0]]))


def _is_pairs(value: Any) -> bool:
    """Whether it is a map as Arrow gives one."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], tuple)


def _from_json(text: str) -> Any:
    # An object keeps the last of several equal keys; which is meant is not known.
    if text.lstrip().startswith("{"):
        return parsed_object(text)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not JSON ({error})") from None
