"""Tables as sources: their values, places, types, and what is wrong with them."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.builder.item import Skipped
from manifests.builder.sources.tables import TableSource
from manifests.check import ManifestError


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def _read(name, content, **mapping):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        source, skipped = TableSource(name, mapping), Skipped()
        return source, [(item.place, item.values) for item in source.items(skipped)], skipped

    return _read


def test_csv_has_quotes_lines_within_fields_and_empty_fields(read):
    text = '\ufeffprompt,x\r\n"a ""big"", dog\n on a beach",\r\n,\r\na cat,5\r\n'
    _, rows, skipped = read("t.csv", text)
    assert rows == [
        ("line 3", {"prompt": 'a "big", dog\n on a beach', "x": None}),
        ("line 5", {"prompt": "a cat", "x": 5}),
    ]
    assert list(skipped.lines()) == ["skipped 1: blank line (t.csv line 4)"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (["1", "-20", ""], pa.int64()),
        (["1", "2.5", ".5", "-1e-3"], pa.float64()),
        (["1", "x"], pa.string()),
        (["007", "5"], pa.string()),
        (["1_000"], pa.string()),
        (["9" * 19], pa.float64()),
        (["", ""], pa.null()),
        (["nan"], pa.string()),
    ],
)
def test_a_csv_column_has_the_type_of_all_of_its_fields(read, fields, kind):
    rows = "".join(f"1984,{field}\n" for field in fields)
    source, items, _ = read("t.csv", f"prompt,x\n{rows}")
    assert source.extra == pa.schema([("x", kind)])
    assert pa.array([values["x"] for _, values in items], kind).null_count == fields.count("")
    assert {values["prompt"] for _, values in items} == {"1984"}


def test_tsv_keeps_commas(read):
    _, rows, _ = read("t.tsv", "text\tx\na, b\tc\n")
    assert rows == [("line 2", {"prompt": "a, b", "x": "c"})]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", "", "is empty; its first line names the columns"),
        ("t.csv", "prompt,prompt\n", "is there twice"),
        ("t.csv", "prompt,\n", "line 1: has a column without a name"),
        ("t.csv", "prompt,x\na dog\n", "line 2: has 1 fields, but the first line names 2"),
        ("t.csv", 'prompt\n"a dog\n', "line 2: is not valid"),
        ("t.csv", b"prompt\na caf\xe9\n", "line 2: is not UTF-8"),
        ("t.jsonl", '{"prompt": "a"}\n{"prompt"', "line 2: is not JSON"),
        ("t.jsonl", '["a"]', "line 1: is .*write one object a line"),
        ("t.jsonl", "\n", "holds no object"),
        (
            "t.jsonl",
            '{"prompt": "a", "x": 1}\n{"prompt": "a", "x": [1]}',
            "column 'x': mixes types",
        ),
        ("t.parquet", b"no parquet", "cannot be read as parquet"),
    ],
)
def test_what_is_wrong_is_named_by_line(read, name, content, problem):
    with pytest.raises(ManifestError, match=problem):
        read(name, content)


def test_lines_of_json_keep_types_over_all_lines(read):
    lines = ['{"prompt": "a", "n": 1}'] * 1100 + ['{"prompt": "b", "n": 2.5, "tags": ["x"]}']
    source, rows, _ = read("t.jsonl", "\n".join(lines))
    assert source.extra == pa.schema([("n", pa.float64()), ("tags", pa.list_(pa.string()))])
    assert rows[-1] == ("line 1101", {"prompt": "b", "n": 2.5, "tags": ["x"]})


def test_parquet_keeps_types_classes_and_images(tmp_path, read):
    features = (
        b'{"info": {"features": {"label": {"names": ["awe", "fear"], "_type": "ClassLabel"}}}}'
    )
    table = pa.table(
        {
            "caption": ["a", "b"],
            "label": pa.array([1, -1]),
            "image": [b"x", None],
            "day": [datetime.date(2020, 1, 2)] * 2,
        }
    )
    pq.write_table(
        table.replace_schema_metadata({b"huggingface": features}), tmp_path / "s.parquet"
    )
    source, rows, _ = read("t.parquet", (tmp_path / "s.parquet").read_bytes())
    assert rows[0] == (
        "row 0",
        {"prompt": "a", "emotion": "fear", "image": b"x", "day": datetime.date(2020, 1, 2)},
    )
    assert rows[1][1]["emotion"] is None
    assert source.image_kind == pa.binary()
    assert source.extra == pa.schema([("day", pa.date32())])
