"""All settings printed: as a commented TOML file, and as the reference page of the documentation.

`python -m pipeline.settings.reference > docs/settings.md` writes that page.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from muse.emotions import Taxonomy
from muse.emotions.taxonomies import TAXONOMIES
from muse.method import Settings
from pipeline.config import Config
from pipeline.settings.fields import fields_of, is_table, kind

WIDTH = 80
"""Columns of the comments."""

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(config: Config) -> str:
    """The settings as a file that `--config` accepts, each with its meaning, limits and default."""
    lines, tables = [], []
    for name, field in fields_of(Config):
        if "." in name:
            continue
        value = _given(config, name)
        if isinstance(value, Settings):
            tables += ["", *_comment(field), f"[{name}]", "", *_fields(value)]
        elif isinstance(value, Mapping):
            tables += ["", *_comment(field), *_table(name, value)]
        else:
            lines += [*_comment(field), f"{name} = {_toml(value)}", ""]
    return "\n".join([*lines[:-1], *tables]) + "\n"


def as_markdown() -> str:
    """The reference page."""
    from pipeline.classifier.training import Fit

    sections = [
        "# Settings",
        "Of `muse-batch run` and `plan`: in a TOML file (`--config`), as `--set KEY=VALUE`, or as "
        "the flag of that name where there is one; the later of these win. `muse-batch config` "
        "prints this page as a TOML file, `muse-batch config --schema` as a JSON schema. This page "
        "is generated: `python -m pipeline.settings.reference > docs/settings.md`.",
    ]
    fields = dict(fields_of(Config))
    top = {name: field for name, field in fields.items() if "." not in name and not is_table(field)}
    sections.append(_markdown_table(top.items()))
    for name, table in fields.items():
        if is_table(table):
            inside = [(key, field) for key, field in fields.items() if key.startswith(f"{name}.")]
            sections += [f"## [{name}]", str(table.description), _markdown_table(inside)]
    sections += [
        "## `muse-batch classifier fit`",
        "These have a file, `--set` and `--backbone` of their own.",
        _markdown_table(fields_of(Fit)),
    ]
    return "\n\n".join(sections) + "\n"


def _given(config: Config, name: str) -> Any:
    """A value as one would write it: what follows from the taxonomy by default is left empty."""
    value = getattr(config, name)
    if name == "emotions" and value == config.taxonomy.labels:
        return ()
    if isinstance(value, Taxonomy):
        known = TAXONOMIES.get(value.name) == value
        return value.name if known else config.model_dump()[name]
    return value


def _fields(settings: Settings) -> list[str]:
    lines = []
    for name, field in type(settings).model_fields.items():
        lines += [*_comment(field), f"{name} = {_toml(getattr(settings, name))}", ""]
    return lines[:-1]


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    """A table of free keys, with the tables in it."""
    inner = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    plain = [f"{_key(key)} = {_toml(value)}" for key, value in values.items() if key not in inner]
    lines = [f"[{name}]", *plain]
    for key, value in inner.items():
        lines += _table(f"{name}.{_key(key)}", value)
    return lines


def _comment(field: FieldInfo) -> list[str]:
    default = _default(field)
    suffix = "" if default is None else f"; default {default}"
    text = f"{field.description} ({kind(field)}{suffix})"
    return textwrap.wrap(
        text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def _default(field: FieldInfo) -> str | None:
    """The default as TOML; None for tables, and where a function makes it."""
    has_none = field.is_required() or field.default_factory is not None
    if is_table(field) or has_none:
        return None
    value = field.default
    return _toml(value.name if isinstance(value, Taxonomy) else value)


def _markdown_table(fields: Iterable[tuple[str, FieldInfo]]) -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in fields:
        default = _default(field)
        cells = [f"`{name}`", kind(field), "" if default is None else f"`{default}`"]
        lines.append(f"| {' | '.join(cells)} | {field.description} |")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))
    if isinstance(value, Mapping):
        inside = [f"{_key(key)} = {_toml(inner)}" for key, inner in value.items()]
        return f"{{{', '.join(inside)}}}"
    return f"[{', '.join(map(_toml, value))}]"


def _escaped(character: str) -> str:
    """What JSON leaves as it is, though TOML forbids it (DEL) or it is invisible."""
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else _toml(name)


if __name__ == "__main__":
    print(as_markdown(), end="")
