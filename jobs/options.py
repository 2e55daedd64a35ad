"""Options that several measuring commands have, and the report that `--json` asks for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Threads = Annotated[int, typer.Option(min=1, help="Of torch, on a CPU.")]


def method_settings(settings: Sequence[str] | None) -> list[str]:
    """Parameters of the method, as in `tokens=2`, as `load_config` takes them.

    Raises:
        typer.BadParameter: one without a value.
    """
    for setting in settings or []:
        if "=" not in setting:
            raise typer.BadParameter(
                f"{setting!r}: write key=value, as in --set tokens=2", param_hint="--set"
            )
    return [f"method.{setting}" for setting in settings or []]


def check_report_file(file: Path | None) -> None:
    """Find out before hours of work whether a report can be written.

    Raises:
        typer.BadParameter: it is no name of a JSON file, or cannot be written.
    """
    if file is None:
        return
    if file.suffix != ".json" or file.is_dir():
        raise typer.BadParameter(
            f"{str(file)!r} is no file whose name ends in .json", param_hint="--json"
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise _unwritable(file, error) from None


def write_report(file: Path, report: Mapping[str, Any], table: str) -> None:
    """The report, and its table in FILE.md beside FILE.json.

    Raises:
        typer.BadParameter: it cannot be written.
    """
    try:
        file.write_text(json.dumps(report, indent=2) + "\n")
        file.with_suffix(".md").write_text(table)
    except OSError as error:
        raise _unwritable(file, error) from None


def _unwritable(file: Path, error: OSError) -> typer.BadParameter:
    return typer.BadParameter(
        f"{file} cannot be written ({error.strerror}); give a file that can be",
        param_hint="--json",
    )
