"""Lines of JSON as sources."""

import pyarrow as pa
import pytest

from manifests.check import ManifestError


def test_lines_of_json_keep_types_over_all_lines(read):
    lines = ['{"prompt": "a", "n": 1}'] * 1100 + ['{"prompt": "b", "n": 2.5, "tags": ["x"]}']
    source, rows, _ = read("t.jsonl", "\n".join(lines))
    assert source.extra == pa.schema([("n", pa.float64()), ("tags", pa.list_(pa.string()))])
    assert rows[-1] == ("line 1101", {"prompt": "b", "n": 2.5, "tags": ["x"]})


def test_a_column_that_is_mapped_to_one_of_ours_needs_no_common_type(read):
    source, rows, _ = read("t.jsonl", '{"prompt": "a", "number": 1}\n{"number": "x"}', id="number")
    assert source.extra == pa.schema([])
    assert [values["id"] for _, values in rows] == [1, "x"]


def test_a_column_of_our_name_that_is_none_of_ours_needs_one(read):
    with pytest.raises(ManifestError, match="line 2, column 'width': is 'x', but int64 in line 1"):
        read("t.jsonl", '{"prompt": "a", "width": 1}\n{"width": "x"}')


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"prompt"', "line 1: is not JSON .*write one object a line"),
        ('["a"]', "line 1: is .*write one object a line"),
        ("\n", "holds no object"),
        (
            '{"n": 1}\n{"n": 2}\n{"n": "x"}',
            r"t\.jsonl: line 3, column 'n': is 'x', but int64 in line 2; write one type",
        ),
        ('{"n": [1]}\n{"n": "x"}', "line 2, column 'n': is 'x', but list<.*> in line 1"),
        (
            '{"n": 1}\n{"n": 1180591620717411303424}',
            "line 2, column 'n': is 118.*, which no column",
        ),
        ('{"n": 1}\n' * 1100 + '{"n": {}}', "line 1101, column 'n': is {}, but int64 in line 1100"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_line(read, content, problem):
    with pytest.raises(ManifestError, match=problem):
        read("t.jsonl", content)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"prompt"', "is not JSON"),
        ('["a"]', "is ['a']; write one object a line"),
        ('{"prompt": "a", "prompt": "b"}', "has the key 'prompt' twice; write it once"),
        ('{"emotion": {"awe": 1, "awe": 0}}', "has the key 'awe' twice"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_problem_of_its_own(read, line, problem):
    _, rows, _ = read("t.jsonl", f'{{"prompt": "a"}}\n{line}\n{{"prompt": "c"}}\n')
    assert rows[0] == ("line 1", {"prompt": "a"})
    assert problem in rows[1][1]
    assert rows[2] == ("line 3", {"prompt": "c"})
