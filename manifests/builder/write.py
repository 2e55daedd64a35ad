"""A manifest as it is written: its columns, and a parquet file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import schema
from manifests.arrow_types import NO_TYPE
from manifests.builder.item import Source, refuse
from manifests.builder.survey import Survey
from manifests.check import shown

MAX_ROWS, MAX_BYTES = 8192, 64_000_000
"""Of a row group: rows, and bytes of the images in it."""

IMAGE_STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""Images of which some are bytes and some paths, as `datasets` keeps them."""


def manifest_schema(sources: Sequence[Source], survey: Survey, source_id: str) -> pa.Schema:
    """The columns of the manifest: ours, as far as there are values, then the further ones.

    Raises:
        ManifestError: two sources have a further column of different types.
    """
    types = {
        schema.PROMPT: pa.string(),
        schema.IMAGE: _image_type(sources),
        schema.MASK: pa.string(),
        schema.EMOTION: pa.map_(pa.string(), pa.float64()) if survey.has_mixtures else pa.string(),
        schema.ID: pa.string(),
        schema.SEED: pa.int64(),
        schema.NEGATIVE: pa.string(),
    }
    fields = [pa.field(name, types[name]) for name in types if name in survey.columns]
    extra = pa.schema([])
    for source in sources:
        for field in source.extra:
            try:
                extra = pa.unify_schemas([extra, pa.schema([field])], promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                before = extra.field(field.name).type
                message = f"is {field.type} here, but {before} in another source; rename or cast it"
                raise refuse(source.path, message, field.name) from None
    if schema.ID in survey.columns and source_id not in extra.names:
        fields.append(pa.field(source_id, pa.string()))
    return pa.schema([*fields, *extra])


def _image_type(sources: Sequence[Source]) -> pa.DataType:
    """The type that holds the images of all sources."""
    kinds = {source.image_kind for source in sources if source.image_kind is not None}
    return kinds.pop() if len(kinds) == 1 else IMAGE_STRUCT


class ManifestWriter:
    """Writes rows to a temporary file, which takes the manifest's name in the end.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, path: str, columns: pa.Schema):
        self.path, self.columns = path, columns
        self.temporary = f"{path}.{os.getpid()}.tmp"
        self.rows = 0
        self._group: list[Mapping[str, Any]] = []
        self._bytes = 0

    def __enter__(self) -> ManifestWriter:
        self._file = pq.ParquetWriter(self.temporary, self.columns)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush()
            self._file.close()
            if kind is None:
                os.replace(self.temporary, self.path)
        finally:
            if os.path.exists(self.temporary):
                os.unlink(self.temporary)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; columns that it lacks are null."""
        self.rows += 1
        self._group.append(row)
        image = row.get(schema.IMAGE)
        self._bytes += len(image) if isinstance(image, bytes) else 0
        if len(self._group) >= MAX_ROWS or self._bytes >= MAX_BYTES:
            self._flush()

    def _flush(self) -> None:
        arrays = []
        for field in self.columns:
            values = [row.get(field.name) for row in self._group]
            try:
                arrays.append(pa.array(values, field.type))
            except NO_TYPE as error:
                message = f"cannot be stored as {field.type} ({shown(str(error))}); cast it"
                raise refuse(self.path, message, field.name) from None
        if self._group:
            self._file.write_table(pa.Table.from_arrays(arrays, schema=self.columns))
        self._group, self._bytes = [], 0
