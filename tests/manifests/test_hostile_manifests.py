"""Manifests that are broken or try to deceive, each with its message."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError
from manifests.read import check
from muse.emotions import MIKELS

LONG = "x" * 4096


def _refusal(path) -> str:
    with pytest.raises(ManifestError) as caught:
        check(str(path), MIKELS.labels, len(MIKELS))
    message = str(caught.value)
    # Whatever is quoted, no control character reaches a terminal.
    assert all(letter.isprintable() or letter == "\n" for letter in message)
    return message


def _prompts(**columns) -> pa.Table:
    return pa.table({"prompt": ["a dog"], **columns})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param(pa.table({"prompt": ["a\0dog"]}), "U+0000 at place 1", id="NUL in a prompt"),
        pytest.param(
            pa.table({"prompt": ["\x1b[2Ja dog"]}), "U+001B at place 0", id="escape sequence"
        ),
        pytest.param(pa.table({"prompt": ["a dog\x9b31m"]}), "U+009B at place 5", id="C1 control"),
        pytest.param(
            pa.table({"prompt": ["x" * 10_001]}),
            "has 10001 characters; at most 10000",
            id="endless prompt",
        ),
        pytest.param(pa.table({"prompt": ["\u2003\n"]}), "is empty", id="prompt of white space"),
        pytest.param(pa.table({"prompt": [" \u200b\xad"]}), "is empty", id="prompt of nothing"),
        pytest.param(
            _prompts(negative_prompt=["a\0"]),
            "column 'negative_prompt': has the character U+0000",
            id="neg",
        ),
        pytest.param(
            _prompts(id=["a\0b"]), "column 'id': has the character U+0000", id="NUL in an id"
        ),
        pytest.param(_prompts(id=["a\nb"]), "U+000A at place 1", id="newline in an id"),
        pytest.param(_prompts(id=["a\rb"]), "U+000D at place 1", id="carriage return in an id"),
        pytest.param(
            _prompts(id=["invoice\u202egnp.exe"]), "U+202E at place 7", id="right-to-left override"
        ),
        pytest.param(_prompts(id=["a\u200bb"]), "U+200B at place 1", id="zero-width space"),
        pytest.param(_prompts(id=["\ufeffa"]), "U+FEFF at place 0", id="byte order mark"),
        pytest.param(_prompts(id=["a\u2028b"]), "U+2028 at place 1", id="line separator"),
        pytest.param(_prompts(id=["\U000e0041"]), "U+E0041 at place 0", id="tag character"),
        pytest.param(
            _prompts(id=[LONG]), "has 4096 characters; at most 512", id="4096 characters of id"
        ),
        pytest.param(
            _prompts(image=["a\0.png"]),
            "column 'image': has the character U+0000",
            id="NUL in a path",
        ),
        pytest.param(
            _prompts(image=["x" * 5000]), "has 5000 characters; at most 4096", id="endless path"
        ),
        pytest.param(
            _prompts(emotion=["joy\x1b[31m" * 999]), "unknown emotion 'joy\\x1b[31m", id="emotion"
        ),
        pytest.param(
            _prompts(emotion=["../../etc/passwd"]),
            "unknown emotion '../../etc/passwd'",
            id="a path",
        ),
        pytest.param(
            _prompts(seed=pa.array([2**64 - 1], pa.uint64())),
            "column 'seed': is 18446",
            id="seed too large",
        ),
        pytest.param(
            _prompts(**{"a\nb": [1]}),
            "its name has the character U+000A",
            id="newline in a column's name",
        ),
        pytest.param(
            _prompts(**{"\u202eevil": [1]}),
            "its name has the character U+202E",
            id="override in a name",
        ),
        pytest.param(
            _prompts(**{LONG: [1]}),
            "its name has 4096 characters",
            id="column's name of 4096 characters",
        ),
        pytest.param(
            _prompts(**{" ": [1]}), "has a column without a name", id="column without a name"
        ),
        pytest.param(
            pa.table([["a"], [1], [2]], ["prompt", "x", "x"]),
            "column 'x': appears 2 times",
            id="twice",
        ),
        pytest.param(
            pa.table([["a"], ["b"]], ["prompt", "prompt"]),
            "'prompt': appears 2 times",
            id="two prompts",
        ),
        pytest.param(
            _prompts(when=pa.array([2**62], pa.timestamp("us"))),
            "column 'when': cannot be read in row 0",
            id="a date beyond the calendar",
        ),
        pytest.param(
            _prompts(
                emotion=pa.array([[("awe", float("inf"))]], pa.map_(pa.string(), pa.float64()))
            ),
            "the weight of 'awe' is inf",
            id="infinite weight",
        ),
        pytest.param(
            _prompts(
                emotion=pa.array([[("awe", float("nan"))]], pa.map_(pa.string(), pa.float64()))
            ),
            "the weight of 'awe' is nan",
            id="weight that is no number",
        ),
    ],
)
def test_manifests(tmp_path, table, message):
    pq.write_table(table, tmp_path / "manifest.parquet")
    assert message in _refusal(tmp_path / "manifest.parquet")


def _valid() -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"prompt": [f"a dog {n}" for n in range(5000)]}), sink, compression="none"
    )
    return sink.getvalue()


def _bad_text() -> bytes:
    """Text that is no UTF-8: written as bytes, declared as text."""
    sink = io.BytesIO()
    raw = pa.array([b"a \xff\xfe dog"], pa.binary())
    pq.write_table(pa.table({"prompt": pa.Array.from_buffers(pa.string(), 1, raw.buffers())}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is not a parquet file", id="empty"),
        pytest.param(b"PAR1PAR1", "is not a parquet file", id="nothing but magic"),
        pytest.param(
            b"PAR1" + b"\xff" * 100 + b"PAR1", "is not a parquet file", id="absurd footer"
        ),
        pytest.param(_valid()[:-200], "is not a parquet file", id="cut short"),
        pytest.param(
            b"PAR1" + bytes(20_000) + _valid()[20_004:], "is damaged", id="pages overwritten"
        ),
        pytest.param(_bad_text(), "column 'prompt': cannot be read in row 0", id="no UTF-8"),
        pytest.param(b"\x80\x04cos\nsystem\n(S'true'\ntR.", "is not a parquet file", id="pickle"),
        pytest.param(b"PK\x03\x04" + bytes(100), "is not a parquet file", id="zip"),
    ],
)
def test_manifest_files(tmp_path, data, message):
    (tmp_path / "manifest.parquet").write_bytes(data)
    assert message in _refusal(tmp_path / "manifest.parquet")
