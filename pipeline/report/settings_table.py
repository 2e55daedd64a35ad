"""Every setting of a run beside its default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import Config
from pipeline.output.run.run_file import RunFile
from pipeline.settings.fields import fields_of, is_table

MAX_VALUE = 200
"""Characters of a value that the table shows."""


@dataclass(frozen=True)
class SettingRow:
    """A setting: its dotted key, its value and its default as text, whether they differ, and its
    meaning."""

    key: str
    value: str
    default: str
    changed: bool
    meaning: str


def setting_rows(run: RunFile) -> list[SettingRow]:
    """All settings, in the order of the reference page."""
    stored = json.loads(json.dumps(Config().model_dump()))
    rows = []
    for key, field in fields_of(Config):
        if is_table(field):
            continue
        value, default = _at(run.config, key), _at(stored, key)
        changed = value is not None and value != default
        rows.append(SettingRow(key, _text(value), _text(default), changed, field.description or ""))
    return rows


def _at(values: Any, key: str) -> Any:
    """The value under a dotted key; None where there is none."""
    for name in key.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _text(value: Any) -> str:
    if value is None:
        return "not known to that version"
    if isinstance(value, Mapping) and {"name", "labels"} <= value.keys():
        value = value["name"]
    if value == "":
        return "empty"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:MAX_VALUE]}…" if len(text) > MAX_VALUE else text
