"""The same values in any Arrow type are read as one plain type, or refused by name."""

import uuid

import pyarrow as pa
import pytest

from manifests.arrow_types import (
    UnsupportedTypeError,
    can_hold_all_values,
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
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]), None),
        ("anything", pa.int8(), None),
        ("seed", pa.null(), None),
    ],
    ids=str,
)
def test_columns_of_a_wrong_type_are_told_what_to_be(name, kind, problem):
    found = type_problem(name, kind)
    assert (found is None) if problem is None else problem in found


def test_class_names_are_read_from_the_metadata_of_datasets():
    from datasets import ClassLabel, Features

    features = Features({"emotion": ClassLabel(names=["awe", "fear"])})
    assert class_names(features.arrow_schema, "emotion") == ["awe", "fear"]
    assert class_names(pa.schema([("emotion", pa.int64())]), "emotion") == []


def test_python_holds_no_times_of_any_precision():
    assert can_hold_all_values(pa.list_(pa.int64()))
    assert not can_hold_all_values(pa.struct([("when", pa.timestamp("ns"))]))
    assert not can_hold_all_values(pa.date32())
