"""The same values in any Arrow type are read as one plain type, or refused by name."""

import uuid

import pyarrow as pa
import pytest

from manifests.arrow_types import (
    UnsupportedTypeError,
    changed_by_python,
    class_names,
    plain_type,
    to_plain,
    type_problem,
)

TEXT = ["a", None, "b"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
    ],
    ids=str,
)
def test_text_in_any_type_is_a_string(kind):
    array = pa.array(TEXT).cast(kind) if kind != pa.string_view() else pa.array(TEXT, kind)
    assert plain_type(pa.field("prompt", kind)) == pa.string()
    assert to_plain(array, pa.string()).to_pylist() == TEXT


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.string()),
        pa.list_(pa.string(), 2),
        pa.list_view(pa.string()),
        pa.large_list_view(pa.string()),
    ],
    ids=str,
)
def test_lists_in_any_type_are_lists(kind):
    values = [["a", "b"], None, ["c", "d"]]
    plain = plain_type(pa.field("emotion", kind))
    assert plain == pa.list_(pa.string())
    assert to_plain(pa.array(values, kind), plain).to_pylist() == values


def test_a_uuid_is_its_usual_text():
    number = uuid.UUID(int=7)
    array = pa.array([number.bytes, None], pa.binary(16))
    array = pa.ExtensionArray.from_storage(pa.uuid(), array)
    assert plain_type(pa.field("id", pa.uuid())) == pa.string()
    assert to_plain(array, pa.string()).to_pylist() == [str(number), None]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (pa.run_end_encoded(pa.int32(), pa.string()), "cannot be stored with the samples"),
        (pa.struct([]), "a struct without fields"),
        (pa.fixed_shape_tensor(pa.float32(), [2, 2]), "its shape would be lost"),
        (pa.list_(pa.uuid()), "within another"),
    ],
    ids=["run-end encoded", "empty struct", "tensor", "nested extension"],
)
def test_what_cannot_be_stored_is_refused_by_name(kind, message):
    with pytest.raises(UnsupportedTypeError, match=message):
        plain_type(pa.field("extra", kind))


@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("prompt", pa.string(), None),
        ("prompt", pa.int64(), "its type is int64; make it string"),
        ("seed", pa.float64(), "make it integer"),
        ("emotion", pa.map_(pa.string(), pa.float64()), None),
        ("emotion", pa.int64(), "the file does not name the classes"),
        ("emotion", pa.map_(pa.string(), pa.decimal128(5, 2)), None),
        ("emotion", pa.list_(pa.null()), None),
        ("emotion", pa.bool_(), "its type is bool"),
        ("emotion", pa.map_(pa.string(), pa.string()), "make it string, list of strings"),
        ("seed", pa.decimal128(18, 0), None),
        ("id", pa.decimal128(18, 0), None),
        ("seed", pa.decimal128(18, 2), "make it integer"),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]), None),
        ("image", pa.struct([("path", pa.string())]), None),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.null())]), None),
        ("image", pa.struct([("bytes", pa.int64()), ("path", pa.string())]), "its type is struct"),
        ("image", pa.struct([("array", pa.binary())]), "its type is struct"),
        ("anything", pa.int8(), None),
        ("seed", pa.null(), None),
    ],
    ids=str,
)
def test_the_type_that_a_column_should_have_is_reported(name, kind, problem):
    found = type_problem(name, kind)
    assert (found is None) if problem is None else problem in found


def test_class_names_are_read_from_the_metadata_of_datasets():
    from datasets import ClassLabel, Features

    features = Features({"emotion": ClassLabel(names=["awe", "fear"])})
    assert class_names(features.arrow_schema, "emotion") == ["awe", "fear"]
    assert class_names(pa.schema([("emotion", pa.int64())]), "emotion") == []


FINE = pa.time64("ns")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1001], FINE),
        ([[None, 1001]], pa.list_(FINE)),
        ([{"when": 1001}, None], pa.struct([("when", FINE)])),
        ([[("a", [1001])]], pa.map_(pa.string(), pa.list_(FINE))),
    ],
    ids=str,
)
def test_times_that_python_would_cut_are_found_however_deep(values, kind):
    assert changed_by_python(pa.array(values, kind))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1000, None], FINE),
        ([[1.5, float("nan")], None], pa.list_(pa.float64())),
        ([1], pa.date32()),
        ([{"when": 1}], pa.struct([("when", pa.timestamp("us"))])),
    ],
    ids=str,
)
def test_what_python_holds_is_not_changed(values, kind):
    assert not changed_by_python(pa.array(values, kind))
