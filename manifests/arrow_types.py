"""Arrow types of a manifest's columns: what each may be, and the plain type that it is read as.

Programs write the same values in many types: dictionaries, views, lists of fixed size, extension
types. They are read as one plain type each, so whatever is accepted here can be stored with the
samples. Other types are refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from manifests import schema

EXTENSION_NAME = b"ARROW:extension:name"
"""Where a file keeps the name of an extension type that this process does not know."""

NO_TYPE = (pa.ArrowException, ValueError, TypeError, OverflowError)
"""What Arrow raises for values without a common type, or that a type does not hold."""

AS_TEXT = ("arrow.uuid", "arrow.json")
REFUSED_EXTENSIONS = {
    "pandas.period": "its unit would be lost; convert it by .astype(str) or .dt.to_timestamp()",
    "arrow.fixed_shape_tensor": "its shape would be lost; store nested lists, or bytes",
    "arrow.variable_shape_tensor": "its shape would be lost; store nested lists, or bytes",
    "arrow.opaque": "its meaning is unknown; cast it to a plain type",
}


class UnsupportedTypeError(ValueError):
    """A type that cannot be stored with the samples; says why, and what to do."""


def plain_type(field: pa.Field) -> pa.DataType:
    """The plain type with the same values as those of a column.

    Raises:
        UnsupportedTypeError: there is none.
    """
    kind = field.type
    name = _extension_name(field)
    if name in REFUSED_EXTENSIONS:
        raise UnsupportedTypeError(f"its type is {name}: {REFUSED_EXTENSIONS[name]}")
    if isinstance(kind, pa.BaseExtensionType):
        if name in AS_TEXT:
            return pa.string()
        if name == "arrow.bool8":
            return pa.bool_()
        return plain_type(field.with_type(kind.storage_type))
    return _plain(kind)


def to_plain(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array as its plain type."""
    if array.type == kind:
        return array
    if isinstance(array.type, pa.BaseExtensionType):
        if kinds.is_string(kind) and array.type.extension_name == "arrow.uuid":
            texts = [None if value is None else str(value) for value in array.to_pylist()]
            return pa.array(texts, kind)
        return to_plain(array.storage, kind)
    if "list_view" in str(array.type):
        # Arrow casts them wrongly where rows are null (pyarrow 26).
        return pa.array(array.to_pylist(), kind)
    return array.cast(kind)


def type_problem(name: str, kind: pa.DataType, classes: Sequence[str] = ()) -> str | None:
    """What is wrong with the plain type of the column `name`, or None. A column of nulls alone
    counts as absent.

    Args:
        classes: the names of the column's classes, where the file has them.
    """
    if name not in TYPES or kinds.is_null(kind):
        return None
    test, wanted = TYPES[name]
    if test(kind) or (classes and _is_class(kind)):
        return None
    unnamed = name == schema.EMOTION and _is_class(kind)
    hint = " (the file does not name the classes that its numbers stand for)" if unnamed else ""
    return f"its type is {kind}{hint}; make it {wanted}"


def empty_object(of: pa.Schema) -> str | None:
    """The first column of objects without a field, which parquet cannot hold; None without one."""
    for column in of:
        if kinds.is_struct(column.type) and column.type.num_fields == 0:
            name: str = column.name
            return name
    return None


def class_names(of: pa.Schema, column: str) -> list[str]:
    """The names of a column of `ClassLabel`, or of lists of them, that `datasets` keeps in a
    schema; else empty."""
    try:
        about = json.loads((of.metadata or {}).get(b"huggingface", b"{}"))
        feature: Any = about["info"]["features"][column]
        while not isinstance(feature, dict) or "feature" in feature:
            # Lists of a feature are written in either form.
            feature = feature["feature"] if isinstance(feature, dict) else feature[0]
        return [str(name) for name in feature["names"]]
    except (ValueError, KeyError, TypeError, IndexError):
        return []


def changed_by_python(array: pa.Array) -> bool:
    """Whether Python's values differ from an array's, as times do that are finer than
    microseconds."""
    kind = array.type
    if kinds.is_struct(kind):
        return any(map(changed_by_python, array.flatten()))
    if kinds.is_map(kind):
        return changed_by_python(array.keys) or changed_by_python(array.items)
    if kinds.is_list(kind):
        return changed_by_python(array.flatten())
    if not (kinds.is_temporal(kind) or kinds.is_decimal(kind)):
        return False
    return not pa.array(array.to_pylist(), kind).equals(array)


def _extension_name(field: pa.Field) -> str:
    if isinstance(field.type, pa.BaseExtensionType):
        return str(field.type.extension_name)
    return (field.metadata or {}).get(EXTENSION_NAME, b"").decode(errors="replace")


def _children(kind: pa.DataType) -> list[pa.Field]:
    if kinds.is_map(kind):
        return [kind.key_field, kind.item_field]
    return [kind.field(i) for i in range(kind.num_fields)]


def _plain(kind: pa.DataType) -> pa.DataType:
    if kinds.is_dictionary(kind):
        return _plain(kind.value_type)
    if _is_any_text(kind):
        return pa.string()
    if _is_any_binary(kind):
        return pa.binary()
    if kinds.is_map(kind):
        return pa.map_(_nested(kind.key_field), _nested(kind.item_field))
    if _is_any_list(kind):
        return pa.list_(_nested(kind.value_field))
    if kinds.is_struct(kind):
        if not kind.num_fields:
            raise UnsupportedTypeError("its type is a struct without fields; drop it")
        return pa.struct([(field.name, _nested(field)) for field in _children(kind)])
    if kinds.is_primitive(kind) or kinds.is_null(kind) or kinds.is_decimal(kind):
        return kind
    # Intervals of months, run-end encoding, unions, and what later versions of Arrow add.
    raise UnsupportedTypeError(
        f"its type {kind} cannot be stored with the samples; cast or drop it"
    )


def _nested(field: pa.Field) -> pa.DataType:
    if isinstance(field.type, pa.BaseExtensionType):
        name = _extension_name(field)
        raise UnsupportedTypeError(f"its type holds {name} within another; cast it to a plain type")
    return plain_type(field)


def _is_any_text(kind: pa.DataType) -> bool:
    return kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)


def _is_any_binary(kind: pa.DataType) -> bool:
    return (
        kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_binary_view(kind)
        or kinds.is_fixed_size_binary(kind)
    )


def _is_any_list(kind: pa.DataType) -> bool:
    return (
        kinds.is_list(kind)
        or kinds.is_large_list(kind)
        or kinds.is_fixed_size_list(kind)
        or kinds.is_list_view(kind)
        or kinds.is_large_list_view(kind)
    )


def _is_weights(kind: pa.DataType) -> bool:
    if kinds.is_map(kind):
        return kinds.is_string(kind.key_type) and _is_number(kind.item_type)
    return kinds.is_struct(kind) and all(_is_number(child.type) for child in kind)


def _is_number(kind: pa.DataType) -> bool:
    tests = (kinds.is_floating, kinds.is_integer, kinds.is_decimal, kinds.is_null)
    return any(test(kind) for test in tests)


def _is_whole_number(kind: pa.DataType) -> bool:
    # Databases write large integers as decimals.
    return kinds.is_integer(kind) or (kinds.is_decimal(kind) and kind.scale == 0)


def _is_image(kind: pa.DataType) -> bool:
    # `datasets` writes images as a struct of bytes and path.
    if not kinds.is_struct(kind):
        return kinds.is_string(kind) or kinds.is_binary(kind)
    tests = {"bytes": kinds.is_binary, "path": kinds.is_string}
    return all(
        child.name in tests and (tests[child.name](child.type) or kinds.is_null(child.type))
        for child in kind
    )


def _is_emotion(kind: pa.DataType) -> bool:
    if kinds.is_list(kind):
        # A list of nulls has no item in any row.
        return kinds.is_string(kind.value_type) or kinds.is_null(kind.value_type)
    return kinds.is_string(kind) or _is_weights(kind)


def _is_class(kind: pa.DataType) -> bool:
    return kinds.is_integer(kind.value_type if kinds.is_list(kind) else kind)


def _is_id(kind: pa.DataType) -> bool:
    return kinds.is_string(kind) or _is_whole_number(kind)


# column: (test of its plain type, what it may be)
TYPES = {
    schema.PROMPT: (kinds.is_string, "string"),
    schema.IMAGE: (_is_image, "string (path or URL) or binary (the encoded image)"),
    schema.MASK: (_is_image, "string (path or URL) or binary (the encoded mask)"),
    schema.EMOTION: (_is_emotion, "string, list of strings, or map of string to number"),
    schema.ID: (_is_id, "string or integer"),
    schema.SEED: (_is_whole_number, "integer (in pandas .astype('Int64'))"),
    schema.NEGATIVE: (kinds.is_string, "string"),
    schema.WIDTH: (_is_whole_number, "integer (in pandas .astype('Int64'))"),
    schema.HEIGHT: (_is_whole_number, "integer (in pandas .astype('Int64'))"),
}
