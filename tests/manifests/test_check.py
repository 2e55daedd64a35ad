"""Rows of a manifest: every mistake is found at once, by row and column, with its remedy."""

import unicodedata
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError, parse_row
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


def test_all_mistakes_are_reported_at_once(write):
    problems = _problems(
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
    assert "5 problem(s)" in problems
    assert "row 1, column 'prompt': is empty" in problems
    assert "row 2, column 'prompt': is missing" in problems
    assert "row 3, column 'emotion': unknown emotion 'sadnes'; did you mean 'sadness'?" in problems
    assert "row 4, column 'seed': is -5" in problems
    assert "row 4, column 'id': 'one' was used by row 0" in problems


def test_duplicate_ids_name_both_rows(write):
    problems = _problems(write(pa.table({"prompt": ["a", "b", "c"], "id": ["x", "y", "x"]})))
    assert "row 2, column 'id': 'x' was used by row 0" in problems


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([("awe", 0.5), ("fear", 0.4)], "sum to 0.9"),
        ([("awe", 1.5), ("fear", -0.5)], "the weight of 'fear' is -0.5"),
        ([("awe", 0.6), ("AWE", 0.4)], "names 'awe' twice"),
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
            "column 'emotion': its type is int64 (the file does not name the classes",
        ),
        ({"prompt": pa.array([], pa.string())}, "has no rows"),
        ({"prompt": ["a"], "emotion": [["awe", "awe"]]}, "names 'awe' twice"),
        ({"prompt": ["a"], "image": [""]}, "column 'image': is empty"),
        ({"prompt": ["a"], "image": [b""]}, "column 'image': is empty"),
        ({"prompt": ["a"], "image": ["  "]}, "column 'image': is empty"),
    ],
)
def test_wrong_columns(write, table, message):
    assert message in _problems(write(pa.table(table)))


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"bytes": b"", "path": None}, "is empty"),
        ({"bytes": b"", "path": "a.png"}, "is empty"),
        ({"bytes": None, "path": ""}, "is empty"),
        ({"bytes": None, "path": None}, "has neither bytes nor a path"),
    ],
)
def test_an_edit_never_becomes_a_generation(write, image, message):
    images = pa.array([{"bytes": b"x", "path": None}, image], IMAGE)
    problems = _problems(write(pa.table({"prompt": ["a", "b"], "image": images})))
    assert f"row 1, column 'image': {message}" in problems
    assert "row 0" not in problems


def test_a_mask_belongs_to_an_image(write):
    table = {"prompt": ["a", "b"], "image": ["a.png", None], "mask": [b"mask", None]}
    masks = [row.mask for row in rows_of(_check(write(pa.table(table))), MIKELS.labels)]
    assert masks == [b"mask", None]
    problems = _problems(write(pa.table({**table, "mask": ["", "b.png"]})))
    assert "row 0, column 'mask': is empty; give a path, a URL or the bytes, or null" in problems
    assert "row 1, column 'mask': is given without an image" in problems


def test_weights_seeds_and_ids_may_be_decimals(write):
    weights = [[("awe", Decimal("0.25")), ("fear", Decimal("0.75"))]]
    table = {
        "prompt": ["a"],
        "emotion": pa.array(weights, pa.map_(pa.string(), pa.decimal128(5, 2))),
        "seed": pa.array([Decimal(7)], pa.decimal128(38, 0)),
        "id": pa.array([Decimal(8)], pa.decimal128(38, 0)),
    }
    (row,) = rows_of(_check(write(pa.table(table))), MIKELS.labels)
    assert (row.emotions, row.seed, row.id) == (({"awe": 0.25, "fear": 0.75},), 7, "8")
    assert isinstance(row.seed, int)


def test_an_image_may_be_a_struct_of_bytes_or_of_a_path_alone(write):
    for given, expected in (({"path": "a.png"}, "a.png"), ({"bytes": b"x"}, b"x")):
        (row,) = rows_of(
            _check(write(pa.table({"prompt": ["a"], "image": [given]}))), MIKELS.labels
        )
        assert row.image == expected


def test_images_of_datasets_are_bytes_or_else_a_path_or_else_none(write):
    given = [{"bytes": b"x", "path": "a.png"}, {"bytes": None, "path": "a.png"}, None]
    table = pa.table({"prompt": ["a", "b", "c"], "image": pa.array(given, IMAGE)})
    rows = rows_of(_check(write(table)), MIKELS.labels)
    assert [row.image for row in rows] == [b"x", "a.png", None]


LABELS = ("s\u00e9r\u00e9nit\u00e9", "cole\u0300re")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_compared_in_one_form_of_unicode(form):
    for label in LABELS:
        row, problems = parse_row(
            0, {"prompt": "a", "emotion": unicodedata.normalize(form, label.upper())}, LABELS
        )
        assert problems == []
        assert row.emotions == ({label: 1.0},)


def test_the_nearest_emotion_is_suggested_only_if_it_is_near():
    def message(emotion):
        (problem,) = parse_row(0, {"prompt": "a", "emotion": emotion}, MIKELS.labels)[1]
        return problem.message

    assert "did you mean 'sadness'?" in message("sadnes")
    assert "did you mean" not in message("bliss")
    assert "several emotions are a list" in message("awe, fear")
    assert "it is JSON text" in message('{"awe": 0.6, "fear": 0.4}')
    for lookalike in ("a\u200bwe", "\uff41we", "\ufeffawe", "aw\u00e9"):
        assert "did you mean 'awe'? If not, choose from amusement" in message(lookalike)
