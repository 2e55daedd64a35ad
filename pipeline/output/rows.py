"""Rows of the metadata: from records to rows by column name, and from rows to the samples' JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from pipeline.output.records import (
    DRAWN,
    FIELDS,
    GROUP,
    KIND,
    MEMBER,
    NUMBER,
    TEXT,
    TRACE,
    Record,
)

_LISTS = (
    pa.ListType,
    pa.LargeListType,
    pa.FixedSizeListType,
    pa.ListViewType,
    pa.LargeListViewType,
)


@dataclass(frozen=True)
class RowLayout:
    """Which column holds which field of a record.

    Attributes:
        schema: of the rows.
        groups: of each group of columns that the schema has, the column of each member.
    """

    schema: pa.Schema
    groups: Mapping[str, Mapping[str, str]]

    def column(self, group: str, member: str) -> str:
        """The column of a member.

        Raises:
            KeyError: there is none.
        """
        return self.groups[group][member]

    def members(self, row: Mapping[str, Any], group: str) -> dict[str, Any]:
        """The members of a group, and their values; empty if the schema has none."""
        columns = self.groups.get(group, {})
        return {member: row.get(column) for member, column in columns.items()}

    def row(self, record: Record) -> dict[str, Any]:
        """A record as a row: every column of the schema, null for what does not apply."""
        row: dict[str, Any] = {}
        for field in FIELDS:
            value = getattr(record, field.name)
            if field.metadata[KIND] == GROUP:
                for member, column in self.groups.get(field.name, {}).items():
                    row[column] = None if value is None else value[member]
            else:
                row[field.name] = json.dumps(value) if field.metadata[KIND] == TRACE else value
        return row

    def undrawn(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row without all that describes an image, as if none had been made."""
        blank = dict(row)
        for field in FIELDS:
            if field.name not in DRAWN:
                continue
            if field.metadata[KIND] == GROUP:
                blank |= dict.fromkeys(self.groups.get(field.name, {}).values())
            else:
                is_trace = field.metadata[KIND] == TRACE
                blank[field.name] = json.dumps(field.default) if is_trace else field.default
        return blank

    def to_json(self, row: Mapping[str, Any]) -> bytes:
        """A sample's JSON: sorted keys, the same in every sample, null for what does not apply.

        The members of a group are one object. Traces are left out: some readers cannot type an
        empty list.
        """
        values: dict[str, Any] = {}
        for field in FIELDS:
            if field.metadata[KIND] == GROUP:
                if field.name in self.groups:
                    values[field.name] = self._members_as_json(row, field.name)
            elif self._is_in_json(field):
                values[field.name] = json_value(row[field.name])
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return text.encode()

    def _is_in_json(self, field: Field[Any]) -> bool:
        """Whether a sample's JSON has that field; an older corpus lacks those that came later."""
        return field.metadata[KIND] != TRACE and field.name in self.schema.names

    def _members_as_json(self, row: Mapping[str, Any], group: str) -> dict[str, Any]:
        members = {}
        for member, column in self.groups[group].items():
            kind = self.schema.field(column).type
            members[member] = _unsigned_as_text(json_value(row.get(column)), kind)
        return members

    def json_schema(self) -> pa.Schema:
        """The types of the samples' JSON, as Arrow types, its keys sorted."""
        fields = []
        for field in sorted(FIELDS, key=lambda field: field.name):
            if field.metadata[KIND] == GROUP:
                members = list(self._member_types(field.name))
                if members:
                    fields.append(pa.field(field.name, pa.struct(members)))
            elif self._is_in_json(field):
                kind = self.schema.field(field.name).type
                fields.append(pa.field(field.name, json_type(kind)))
        return pa.schema(fields)

    def _member_types(self, group: str) -> Iterator[pa.Field]:
        for member, column in self.groups.get(group, {}).items():
            yield pa.field(member, json_type(self.schema.field(column).type))


@lru_cache(maxsize=16)
def layout_of(schema: pa.Schema) -> RowLayout:
    """The layout that the metadata of a schema's fields describes (see `record_schema`)."""
    groups: dict[str, dict[str, str]] = {}
    for field in schema:
        origin = field.metadata or {}
        if GROUP.encode() in origin:
            group, member = origin[GROUP.encode()].decode(), origin[MEMBER.encode()].decode()
            groups.setdefault(group, {})[member] = field.name
    return RowLayout(schema, groups)


def target_name(row: Mapping[str, Any]) -> str:
    """What a row's request asks for: an emotion, or the name of a mixture."""
    name: str = row["emotion"] or row["mixture"]
    return name


def json_type(kind: pa.DataType) -> pa.DataType:
    """The type of a value of type `kind` once it was in JSON and back."""
    if isinstance(kind, pa.BaseExtensionType):
        return json_type(kind.storage_type)
    if pat.is_dictionary(kind) or pat.is_run_end_encoded(kind):
        return json_type(kind.value_type)
    if pat.is_struct(kind):
        return pa.struct([pa.field(member.name, json_type(member.type)) for member in kind])
    if pat.is_map(kind):
        entry = {"key": json_type(kind.key_type), "value": json_type(kind.item_type)}
        return pa.list_(pa.struct(entry))
    if isinstance(kind, _LISTS):
        return pa.list_(json_type(kind.value_type))
    if pat.is_null(kind) or pat.is_boolean(kind):
        return kind
    if pat.is_integer(kind) and not pat.is_uint64(kind):
        return pa.uint64() if pat.is_unsigned_integer(kind) else pa.int64()
    # Everything else is written as text: see `json_value`.
    return NUMBER if pat.is_floating(kind) else TEXT


def json_value(value: Any) -> Any:
    """A value as JSON has it.

    NaN and infinities, which JSON lacks, are null; maps, which Arrow gives as pairs, lists of
    {key, value}; bytes base64; dates, times and decimals text.
    """
    if isinstance(value, Mapping):
        return {key: json_value(member) for key, member in value.items()}
    if isinstance(value, list):
        return [json_value(member) for member in value]
    if isinstance(value, tuple):
        key, item = value
        return {"key": json_value(key), "value": json_value(item)}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _unsigned_as_text(value: Any, kind: pa.DataType) -> Any:
    """A value as JSON has it, with unsigned integers of 64 bits as text: `datasets` reads no
    integer beyond 2^63 - 1."""
    if value is None:
        return None
    if pat.is_uint64(kind):
        return str(value)
    if pat.is_struct(kind):
        return {member.name: _unsigned_as_text(value[member.name], member.type) for member in kind}
    if pat.is_map(kind):
        kind = pa.list_(pa.struct({"key": kind.key_type, "value": kind.item_type}))
    if isinstance(kind, _LISTS):
        return [_unsigned_as_text(item, kind.value_type) for item in value]
    return value
