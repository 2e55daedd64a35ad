"""Manifests: every mistake is found at once, by row and column, with its remedy."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError
from manifests.read import check, rows_of
from muse.emotions import MIKELS


@pytest.fixture
def write(tmp_path):
    def _write(table: pa.Table) -> str:
        path = tmp_path / "manifest.parquet"
        pq.write_table(table, path)
        return str(path)

    return _write


def _check(path):
    return check(path, MIKELS.labels, len(MIKELS))


def _problems(path) -> str:
    with pytest.raises(ManifestError) as caught:
        _check(path)
    return str(caught.value)


def test_a_name_a_list_a_map_and_nothing_are_all_targets(write):
    named = write(pa.table({"prompt": ["a dog"], "emotion": ["Awe "]}))
    assert [row.emotions for row in rows_of(_check(named), MIKELS.labels)] == [({"awe": 1.0},)]
    listed = write(pa.table({"prompt": ["a dog"], "emotion": [["awe", "fear"]]}))
    assert _check(listed).requests == 2
    kind = pa.map_(pa.string(), pa.float64())
    mixed = write(
        pa.table(
            {"prompt": ["a dog"], "emotion": pa.array([[("awe", 0.25), ("fear", 0.75)]], kind)}
        )
    )
    assert [row.emotions for row in rows_of(_check(mixed), MIKELS.labels)] == [
        ({"awe": 0.25, "fear": 0.75},)
    ]
    pandas_style = write(pa.table({"prompt": ["a", "b"], "emotion": [{"awe": 1.0}, {"fear": 1.0}]}))
    assert [row.emotions for row in rows_of(_check(pandas_style), MIKELS.labels)] == [
        ({"awe": 1.0},),
        ({"fear": 1.0},),
    ]
    absent = write(pa.table({"prompt": ["a dog"]}))
    assert _check(absent).requests == 8


def test_further_columns_travel_untouched(write):
    path = write(
        pa.table({"prompt": ["a dog"], "rating": [3], "tags": [["x", "y"]], "blob": [b"\x00\x01"]})
    )
    manifest = _check(path)
    assert manifest.extra.names == ["rating", "tags", "blob"]
    (row,) = rows_of(manifest, MIKELS.labels)
    assert row.extra == {"rating": 3, "tags": ["x", "y"], "blob": b"\x00\x01"}


def test_all_mistakes_are_told_at_once(write):
    told = _problems(
        write(
            pa.table(
                {
                    "prompt": ["a dog", "  ", None, "a cat", "a cat"],
                    "emotion": ["awe", "fear", "fear", "sadnes", "awe"],
                    "id": ["one", "two", "three", "four", "one"],
                    "seed": [1, 2, 3, 4, -5],
                }
            )
        )
    )
    assert "5 problem(s)" in told
    assert "row 1, column 'prompt': is empty" in told
    assert "row 2, column 'prompt': is missing" in told
    assert "row 3, column 'emotion': unknown emotion 'sadnes'; did you mean 'sadness'?" in told
    assert "row 4, column 'seed': is -5" in told
    assert "row 4, column 'id': 'one' was used by row 0" in told


def test_duplicate_ids_name_both_rows(write):
    told = _problems(write(pa.table({"prompt": ["a", "b", "c"], "id": ["x", "y", "x"]})))
    assert "row 2, column 'id': 'x' was used by row 0" in told


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([("awe", 0.5), ("fear", 0.4)], "sum to 0.9"),
        ([("awe", 1.5), ("fear", -0.5)], "the weight of 'fear' is -0.5"),
        ([("joy", 1.0)], "unknown emotion 'joy'"),
    ],
)
def test_bad_mixtures(write, weights, message):
    kind = pa.map_(pa.string(), pa.float64())
    assert message in _problems(
        write(pa.table({"prompt": ["a"], "emotion": pa.array([weights], kind)}))
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"text": ["a dog"]}, "column 'prompt': is missing; every manifest has a prompt column"),
        ({"prompt": [1, 2]}, "column 'prompt': its type is int64; make it string"),
        ({"prompt": ["a"], "seed": [0.5]}, "column 'seed': its type is double; make it integer"),
        (
            {"prompt": ["a"], "emotion": [3]},
            "column 'emotion': its type is int64; make it string, list of strings",
        ),
        ({"prompt": pa.array([], pa.string())}, "has no rows"),
        ({"prompt": ["a"], "emotion": [["awe", "awe"]]}, "names 'awe' twice"),
        ({"prompt": ["a"], "image": [""]}, "column 'image': is empty"),
    ],
)
def test_wrong_columns(write, table, message):
    assert message in _problems(write(pa.table(table)))


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
