"""The metadata are written and read in row groups."""

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.index import metadata
from pipeline.output.markers import read_markers
from pipeline.output.run.run_file import read_run
from tests.support.corpora import rows_of

SCRIPT = """
import os
from pathlib import Path
from manifests.read import check
from pipeline.index.metadata import row_groups
from pipeline.output.records import open_parquet

file, threads = Path({file!r}), lambda: len(os.listdir("/proc/self/task"))
before = threads()
list(row_groups(open_parquet(file.open("rb"))))
print(threads() - before)
check(str(file), ("awe",), 1)
print(threads() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads by /proc")
def test_reading_leaves_no_threads_behind(tmp_path):
    """Threads of Arrow that still run as the interpreter ends abort it."""
    file = tmp_path / "rows.parquet"
    pq.write_table(
        pa.table({f"c{n}": list(range(64)) for n in range(60)} | {"prompt": ["a dog"] * 64}), file
    )
    script = SCRIPT.format(file=str(file))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["0", "0"]), done.stderr


def written(out, markers, schema) -> bytes:
    """The metadata, written once more."""
    sha256 = metadata.write_metadata(out, markers, schema)
    data = (out / "metadata.parquet").read_bytes()
    assert hashlib.sha256(data).hexdigest() == sha256
    return data


@pytest.mark.parametrize("size", [1, 7, 16, 64])
def test_row_groups_are_of_one_size_wherever_shards_end(make_corpus, monkeypatch, size):
    out = make_corpus(count=24, shard_size=5, min_confidence=0.0)
    rows, markers = rows_of(out), read_markers(out)
    schema = pq.read_schema(out / "metadata.parquet").remove_metadata()
    monkeypatch.setattr(metadata, "ROW_GROUP", size)
    assert len(markers) > 2
    written(out, markers, schema)
    file = pq.ParquetFile(out / "metadata.parquet")
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [size] * (24 // size) + [24 % size] * (24 % size > 0)
    assert rows_of(out) == rows


@pytest.mark.parametrize("cuts", [(1,), (11, 20), (9, 10, 11), range(1, 24)])
def test_regrouped_rows_depend_on_the_rows_alone(cuts):
    rows = pa.table({"number": range(24)})
    bounds = itertools.pairwise((0, *cuts, 24))
    tables = [rows.slice(start, stop - start) for start, stop in bounds]
    groups = list(metadata.regrouped(tables, itertools.repeat(10)))
    assert [group.num_rows for group in groups] == [10, 10, 4]
    assert pa.concat_tables(groups).equals(rows)
    assert {group["number"].num_chunks for group in groups} == {1}


def test_metadata_are_opened_if_they_are_what_was_committed(make_corpus):
    out = make_corpus(count=6)
    sha256 = read_run(out).files["metadata.parquet"]
    with metadata.open_metadata(out, sha256) as file:
        keys = [table["key"].to_pylist() for table in metadata.row_groups(file, ["key"])]
    assert keys == [[f"{n:012d}" for n in range(6)]]
    for damage in (lambda path: path.write_bytes(path.read_bytes()[:-1]), Path.unlink):
        damage(out / "metadata.parquet")
        with pytest.raises(UserError, match=r"metadata\.parquet is damaged"):
            metadata.open_metadata(out, sha256).__enter__()
