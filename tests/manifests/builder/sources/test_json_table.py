"""Lines of JSON as sources."""

import pyarrow as pa
import pytest

from manifests.check import ManifestError


def test_lines_of_json_keep_types_over_all_lines(read):
    lines = ['{"prompt": "a", "n": 1}'] * 1100 + ['{"prompt": "b", "n": 2.5, "tags": ["x"]}']
    source, rows, _ = read("t.jsonl", "\n".join(lines))
    assert source.extra == pa.schema([("n", pa.float64()), ("tags", pa.list_(pa.string()))])
    assert rows[-1] == ("line 1101", {"prompt": "b", "n": 2.5, "tags": ["x"]})


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.jsonl", '{"prompt": "a"}\n{"prompt"', "line 2: is not JSON"),
        ("t.jsonl", '["a"]', "line 1: is .*write one object a line"),
        ("t.jsonl", "\n", "holds no object"),
    ],
)
def test_what_is_wrong_is_named_by_line(read, name, content, problem):
    with pytest.raises(ManifestError, match=problem):
        read(name, content)
