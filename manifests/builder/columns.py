"""Which columns of a source stand for which of a manifest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from manifests import schema
from manifests.builder.item import refuse

SIDES = (schema.WIDTH, schema.HEIGHT)
"""The size of the images to make, which is written to a manifest by hand."""

BUILT = tuple(column for column in schema.COLUMNS if column not in SIDES)
"""The columns that are taken from a source."""


def parse_mapping(assignments: Iterable[str]) -> dict[str, str]:
    """From `prompt=caption` and the like: our column to theirs, or to nothing, as in `id=`, where
    the source's own shall not be used.

    Raises:
        ValueError: no such form, no such column of ours, or one that is given twice.
    """
    mapping: dict[str, str] = {}
    for assignment in assignments:
        ours, equals, theirs = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"--map {assignment}: write OURS=THEIRS, as in --map prompt=caption")
        if ours not in BUILT:
            raise ValueError(
                f"--map {assignment}: no source gives a column {ours!r}; choose {', '.join(BUILT)}"
            )
        if ours in mapping:
            raise ValueError(f"--map {assignment}: {ours} is mapped twice; map it once")
        if theirs and (others := [other for other in mapping if mapping[other] == theirs]):
            raise ValueError(
                f"--map {assignment}: {theirs} is mapped to {others[0]} already; map it once, or "
                "copy the column"
            )
        mapping[ours] = theirs
    return mapping


def renames(
    path: str, names: Sequence[str], mapping: Mapping[str, str], notes: list[str]
) -> dict[str, str]:
    """What each column of a source is called in the manifest, by its name in the source.

    A column whose name says that it is one of ours, as `caption`, is taken as that if there is no
    better one; `notes` says so.

    Raises:
        ManifestError: a mapped column does not exist, or several could be the same one of ours.
    """
    for ours, theirs in mapping.items():
        if theirs and theirs not in names:
            near = difflib.get_close_matches(theirs, names, n=1)
            hint = f"did you mean {near[0]!r}? if not, " if near else ""
            message = f"--map {ours}={theirs}: no such column; {hint}it has {', '.join(names)}"
            raise refuse(path, message)
    renamed = {name: name for name in names}
    if sides := [ours for ours in SIDES if ours in names]:
        # Tables of photographs have their size in columns of these names.
        renamed |= {ours: f"picture_{ours}" for ours in sides}
        kept = " and ".join(f"{ours} as picture_{ours}" for ours in sides)
        notes.append(
            f"{path}: kept column {kept}, as the size of a photograph. If the size of the images "
            "to make is meant, give it to the run, as in --set width=512 --set height=768; or, row "
            "by row, rename them to width and height in the parquet manifest"
        )
    for ours, theirs in mapping.items():
        # What had our name before is not it: it is carried under another one.
        if ours in renamed and ours not in mapping.values():
            renamed[ours] = f"source_{ours}"
        if theirs:
            renamed[theirs] = ours
    if twins := _twin(names, mapping):
        options = " or ".join(f"--map {twins[0].strip().lower()}={name}" for name in twins)
        raise refuse(path, f"columns {' and '.join(twins)} differ in case alone; give {options}")
    taken = {*renamed.values(), *mapping}
    for ours, candidates in _resembling(names, mapping).items():
        if ours in taken:
            continue
        if len(candidates) > 1:
            options = " or ".join(f"--map {ours}={name}" for name in candidates)
            raise refuse(path, f"several columns could be {ours!r}; give {options}")
        renamed[candidates[0]] = ours
        without = f" (--map {ours}= leaves it alone)" if ours != schema.PROMPT else ""
        notes.append(f"{path}: column {candidates[0]!r} was taken as {ours}{without}")
    return renamed


def renamed_object(
    values: Mapping[str, Any], mapping: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """A JSON object that describes one image with our names, and the keys that are left out.

    Raises:
        ValueError: several keys could be the same column of ours.
    """
    names = [str(name) for name in values]
    if twins := _twin(names, mapping):
        raise ValueError(
            f"the keys {' and '.join(twins)} differ in case alone; "
            f"give --map {twins[0].strip().lower()}={twins[0]}"
        )
    # First what the user says, then our own names, then names that resemble ours.
    keys = {ours: theirs for ours, theirs in mapping.items() if theirs in values}
    for name in names:
        if name in BUILT and name not in mapping:
            keys.setdefault(name, name)
    for column, candidates in _resembling(names, mapping).items():
        if column in mapping:
            continue
        if len(candidates) > 1 and column not in keys:
            raise ValueError(
                f"the keys {', '.join(candidates)} could all be {column!r}; "
                f"give --map {column}={candidates[0]}"
            )
        keys.setdefault(column, candidates[0])
    left_out = [name for name in names if name not in keys.values()]
    return {ours: values[theirs] for ours, theirs in keys.items()}, left_out


def _twin(names: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    """The first names that are all one column of ours but for upper and lower case, where the
    mapping does not say which of them is meant; empty if there are none."""
    for column in schema.COLUMNS:
        alike = [name for name in names if name.strip().lower() == column]
        if len(alike) > 1 and column not in mapping:
            return sorted(alike)
    return []


def _resembling(names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, list[str]]:
    """Our columns with those of a source that resemble them by name, without the mapped ones."""
    found: dict[str, list[str]] = {}
    for name in names:
        column = schema.intended_column(name, names)
        if column in BUILT and name not in mapping.values():
            found.setdefault(column, []).append(name)
    return found
