"""Tables as sources: CSV, TSV, lines of JSON, and parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests import arrow_types, schema
from manifests.builder.columns import renames
from manifests.builder.item import BadRow, Item, Skipped, refuse
from manifests.builder.sources.arrow_table import parquet_rows, parquet_schema
from manifests.builder.sources.csv_table import csv_rows, csv_schema, csv_value
from manifests.builder.sources.json_table import json_rows, json_schema


@dataclass(frozen=True)
class TableReader:
    """How one kind of table is read: its columns with their types, then its rows with places."""

    columns: Callable[[str], pa.Schema]
    rows: Callable[[str, Skipped], Iterator[tuple[str, Mapping[str, Any] | BadRow]]]


CSV = TableReader(csv_schema, csv_rows)
JSON = TableReader(json_schema, json_rows)
READERS = {
    ".csv": CSV,
    ".tsv": CSV,
    ".jsonl": JSON,
    ".ndjson": JSON,
    ".parquet": TableReader(parquet_schema, parquet_rows),
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
        theirs = self.read.columns(path)
        self.renamed = renames(path, theirs.names, mapping, self.notes)
        ours = pa.schema([field.with_name(self.renamed[field.name]) for field in theirs])
        if self.read is CSV:
            # A prompt of digits is a prompt. Numbers of ours are read from text later.
            ours = pa.schema([_as_text(field) for field in ours])
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


def _as_text(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if field.name in schema.COLUMNS else field
