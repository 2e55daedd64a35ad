"""Manifests as files: what is read, in whatever types, and which columns are refused."""

import base64
import io
import json
import os
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError
from manifests.read import check, content_hash, find_request, rows_of
from muse.emotions import MIKELS


@pytest.fixture
def write(tmp_path):
    def _write(table: pa.Table) -> str:
        path = tmp_path / "manifest.parquet"
        pq.write_table(table, path)
        return str(path)

    return _write


def _check(path, **options):
    return check(path, MIKELS.labels, len(MIKELS), **options)


def _problems(path) -> str:
    with pytest.raises(ManifestError) as caught:
        _check(path)
    return str(caught.value)


def _prompts(**columns) -> pa.Table:
    return pa.table({"prompt": ["a dog"], **columns})


def test_further_columns_travel_untouched(write):
    path = write(
        pa.table({"prompt": ["a dog"], "rating": [3], "tags": [["x", "y"]], "blob": [b"\x00\x01"]})
    )
    manifest = _check(path)
    assert manifest.extra.names == ["rating", "tags", "blob"]
    (row,) = rows_of(manifest, MIKELS.labels)
    assert row.extra == {"rating": 3, "tags": ["x", "y"], "blob": b"\x00\x01"}


def test_what_is_not_parquet_or_not_there(tmp_path):
    text = tmp_path / "manifest.csv"
    text.write_text("prompt\na dog\n")
    assert "is not a parquet file" in _problems(str(text))
    assert "cannot be opened" in _problems(str(tmp_path / "missing.parquet"))


def test_a_flood_of_problems_is_cut_and_counted(write):
    with pytest.raises(ManifestError) as caught:
        _check(write(pa.table({"prompt": [""] * 120})))
    assert len(caught.value.problems) == 50
    assert caught.value.more == 70


def test_examples_are_sound():
    demo = _check("manifests/examples/demo.parquet")
    assert demo.requests == 64
    assert {row.image is None for row in rows_of(demo, MIKELS.labels)} == {True, False}
    assert _check("manifests/examples/parti_prompts.parquet").rows == 1632


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "manifest.parquet")
    assert "not a regular file" in _problems(str(tmp_path / "manifest.parquet"))
    with pytest.raises(ManifestError, match="not a regular file"):
        content_hash(str(tmp_path / "manifest.parquet"))


LISTS = [
    pa.list_(pa.string(), 2),
    pa.large_list(pa.large_string()),
    pa.list_view(pa.string()),
    pa.list_(pa.dictionary(pa.int32(), pa.string())),
]


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_lists_of_emotions_of_any_kind(write, kind):
    path = write(
        pa.table(
            {"prompt": ["a", "b"], "emotion": pa.array([["awe", "fear"], ["anger", "awe"]], kind)}
        )
    )
    manifest = _check(path)
    assert manifest.requests == 4
    assert [row.emotions for row in rows_of(manifest, MIKELS.labels)] == [
        ({"awe": 1.0}, {"fear": 1.0}),
        ({"anger": 1.0}, {"awe": 1.0}),
    ]
    assert find_request(path, 3, 8) == (1, 1)


@pytest.mark.parametrize(
    "array",
    [
        pa.array([b"data"], pa.large_binary()),
        pa.array([b"data"], pa.binary_view()),
        pa.array([b"data"], pa.binary(4)),
        pa.array([b"data"]).dictionary_encode(),
        pa.array(
            [{"bytes": b"data", "path": None}],
            pa.struct([("bytes", pa.binary_view()), ("path", pa.large_string())]),
        ),
    ],
    ids=lambda array: str(array.type),
)
def test_bytes_of_images_of_any_kind(write, array):
    (row,) = rows_of(_check(write(_prompts(image=array))), MIKELS.labels)
    assert row.image == b"data"


def test_texts_and_ids_of_any_kind(write):
    own = uuid.uuid4()
    for texts in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        table = {"prompt": pa.array(["a dog"], texts), "id": pa.array([own.bytes], pa.uuid())}
        (row,) = rows_of(_check(write(pa.table(table))), MIKELS.labels)
        assert (row.prompt, row.id) == ("a dog", str(own))


def _with_classes(emotion, feature) -> pa.Table:
    about = {"info": {"features": {"prompt": {}, "emotion": feature}}}
    table = _prompts(emotion=emotion)
    return table.replace_schema_metadata({"huggingface": json.dumps(about)})


NAMES = {"names": ["fear", "awe"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    ("emotion", "feature", "expected"),
    [
        ([1], NAMES, ({"awe": 1.0},)),
        ([[1, 0]], {"feature": NAMES, "_type": "List"}, ({"awe": 1.0}, {"fear": 1.0})),
        ([[0]], [NAMES], ({"fear": 1.0},)),
        (
            [
                None,
            ],
            NAMES,
            (),
        ),
    ],
)
def test_class_labels_of_datasets_are_read_by_their_names(write, emotion, feature, expected):
    column = pa.array(emotion, pa.int64()) if emotion == [None] else pa.array(emotion)
    (row,) = rows_of(_check(write(_with_classes(column, feature))), MIKELS.labels)
    assert row.emotions == expected


def test_numbers_without_names_and_numbers_of_no_class_are_refused(write):
    assert "does not name the classes" in _problems(write(_prompts(emotion=[1])))
    assert "unknown emotion 'class -1'" in _problems(write(_with_classes(pa.array([-1]), NAMES)))


STORED = {
    "uuid": (pa.array([uuid.UUID(int=1).bytes], pa.uuid()), str(uuid.UUID(int=1))),
    "json": (pa.array(['{"a": 1}'], pa.json_()), '{"a": 1}'),
    "boolean": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1], pa.int8())), True),
    "fixed list": (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), [1, 2]),
    "nested views": (
        pa.array([{"a": ["x"]}], pa.struct([("a", pa.list_(pa.string_view()))])),
        {"a": ["x"]},
    ),
    "dictionary": (pa.array(["x"]).dictionary_encode(), "x"),
    "half": (pa.array([np.float16(0.5)], pa.float16()), 0.5),
    "nothing": (pa.nulls(1), None),
}  # fmt: skip


@pytest.mark.parametrize(("array", "expected"), STORED.values(), ids=STORED)
def test_further_columns_are_read_as_types_that_can_be_stored(write, array, expected):
    manifest = _check(write(_prompts(further=array)))
    (row,) = rows_of(manifest, MIKELS.labels)
    assert row.extra == {"further": expected}
    stored = pa.Table.from_pylist([row.extra], manifest.extra)
    sink = io.BytesIO()
    pq.write_table(stored, sink)
    assert pq.read_table(sink).to_pylist() == [{"further": expected}]


TENSOR = pa.fixed_shape_tensor(pa.float32(), [2, 2])
OPAQUE = pa.opaque(pa.int8(), "a", "b")
FOUR = pa.array([[1, 2, 3, 4]], pa.list_(pa.float32(), 4))
PERIOD = {"ARROW:extension:name": "pandas.period"}


@pytest.mark.parametrize(
    ("field", "array"),
    [
        (pa.field("x", TENSOR), pa.ExtensionArray.from_storage(TENSOR, FOUR)),
        (pa.field("x", pa.int64(), metadata=PERIOD), pa.array([600])),
        (
            pa.field("x", OPAQUE),
            pa.ExtensionArray.from_storage(OPAQUE, pa.array([1], pa.int8())),
        ),
    ],
    ids=["tensor", "period", "opaque"],
)
def test_columns_that_cannot_be_stored_are_refused_by_name(write, field, array):
    fields = pa.schema([("prompt", pa.string()), field])
    table = pa.Table.from_arrays([pa.array(["a dog"]), array], schema=fields)
    problems = _problems(write(table))
    assert "column 'x': its type is" in problems


def test_times_that_python_would_cut_are_refused(write):
    fine, coarse = (pa.array([value], pa.time64("ns")) for value in (1001, 1000))
    assert "finer than microseconds" in _problems(write(_prompts(at=fine)))
    (row,) = rows_of(_check(write(_prompts(at=coarse))), MIKELS.labels)
    assert row.extra["at"].microsecond == 1


def test_a_type_that_arrow_cannot_read_is_refused_by_its_column(tmp_path):
    """As polars writes Int128: 16 bytes in parquet, and an integer of 128 bits in the schema of
    Arrow beside it."""
    schema = pa.schema([("prompt", pa.string()), ("n", pa.int64())]).serialize().to_pybytes()
    wide = schema.replace((64).to_bytes(4, "little"), (128).to_bytes(4, "little"))
    table = _prompts(n=pa.array([b"x" * 16], pa.binary(16)))
    # Arrow writes no schema of the caller's under its own key.
    table = table.replace_schema_metadata({"XRROW:schema": base64.b64encode(wide)})
    path = tmp_path / "manifest.parquet"
    pq.write_table(table, path)
    data = path.read_bytes().replace(b"ARROW:schema", b"other:schema")
    path.write_bytes(data.replace(b"XRROW:schema", b"ARROW:schema"))
    with pytest.raises(pa.ArrowNotImplementedError):
        pq.ParquetFile(path)
    assert "column 'n': has a type that cannot be read" in _problems(str(path))


@pytest.mark.parametrize("name", ["Emotion", "emotions", "image_path", "mood"])
def test_columns_that_look_like_ours_are_refused_unless_allowed(write, name):
    path = write(_prompts(**{name: ["x"]}))
    problems = _problems(path)
    assert f"column {name!r}: is not read, but resembles" in problems
    assert "--allow-columns" in problems
    assert _check(path, allow_columns=True).extra.names == [name]
