"""Tables as sources: CSV, TSV, lines of JSON, and parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests import arrow_types, schema
from manifests.builder.columns import renames
from manifests.builder.item import BadRow, Item, Skipped, refuse
from manifests.builder.sources.arrow_table import parquet_rows, parquet_schema
from manifests.builder.sources.csv_table import csv_rows, csv_schema, csv_value
from manifests.builder.sources.json_table import Rename, json_rows, json_schema


@dataclass(frozen=True)
class TableReader:
    """How one kind of table is read: its columns with their types, under the names that they get in
    the manifest, then its rows with places."""

    columns: Callable[[str, Rename], pa.Schema]
    rows: Callable[[str, Skipped], Iterator[tuple[str, Mapping[str, Any] | BadRow]]]


def _csv_columns(path: str, rename: Rename) -> pa.Schema:
    # A prompt of digits is a prompt. Numbers of ours are read from text later.
    return pa.schema([_as_text(field) for field in _renamed(csv_schema(path), rename)])


def _parquet_columns(path: str, rename: Rename) -> pa.Schema:
    return _renamed(parquet_schema(path), rename)


def _renamed(theirs: pa.Schema, rename: Rename) -> pa.Schema:
    names = rename(theirs.names)
    return pa.schema([field.with_name(names[field.name]) for field in theirs])


def _as_text(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if field.name in schema.COLUMNS else field


CSV = TableReader(_csv_columns, csv_rows)
JSON = TableReader(json_schema, json_rows)
READERS = {
    ".csv": CSV,
    ".tsv": CSV,
    ".jsonl": JSON,
    ".ndjson": JSON,
    ".parquet": TableReader(_parquet_columns, parquet_rows),
}


class TableSource:
    """A table, whose kind follows from its name; see `manifests.builder.item.Source`.

    Args:
        mapping: our column to theirs.

    Raises:
        ManifestError: it cannot be read, or has no usable columns.
    """

    is_folder = False

    def __init__(self, path: str, mapping: Mapping[str, str]):
        self.path, self.folder = path, str(Path(path).resolve().parent)
        self.notes: list[str] = []
        self.read = READERS[Path(path).suffix.lower()]
        self.renamed: Mapping[str, str] = {}

        def rename(names: Sequence[str]) -> Mapping[str, str]:
            self.renamed = renames(path, names, mapping, self.notes)
            return self.renamed

        ours = self.read.columns(path, rename)
        self.extra = pa.schema([field for field in ours if field.name not in schema.COLUMNS])
        self.image_kind = image_kind(path, ours)

    def items(self, skipped: Skipped) -> Iterator[Item]:
        """Its rows; lines without anything are skipped."""
        for place, values in self.read.rows(self.path, skipped):
            if isinstance(values, BadRow):
                yield Item(place, {}, values.problem)
                continue
            named = {self.renamed[name]: value for name, value in values.items()}
            if self.read is CSV:
                for field in self.extra:
                    named[field.name] = csv_value(named[field.name], field.type)
            yield Item(place, named)


def image_kind(path: str, columns: pa.Schema) -> pa.DataType | None:
    """The type of a table's images as a manifest keeps them.

    Raises:
        ManifestError: they cannot be images.
    """
    if schema.IMAGE not in columns.names:
        return None
    kind = columns.field(schema.IMAGE).type
    if why := arrow_types.type_problem(schema.IMAGE, kind):
        raise refuse(path, why, schema.IMAGE)
    return None if pa.types.is_null(kind) else kind
