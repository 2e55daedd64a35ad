"""A manifest is opened, checked and read in plain types, or refused with all its problems."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError
from manifests.file import opened


def written(tmp_path, **columns) -> str:
    path = tmp_path / "manifest.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_rows_come_in_plain_types_and_in_the_asked_size(tmp_path):
    path = written(tmp_path, prompt=pa.array(["a dog"] * 5).dictionary_encode())
    with opened(path) as manifest:
        batches = [*manifest.batches(2)]
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert batches[0].schema.field("prompt").type == pa.string()


def test_all_problems_of_the_columns_are_reported_together(tmp_path):
    path = written(tmp_path, image=[1], seed=["x"])
    with pytest.raises(ManifestError) as caught, opened(path):
        pass
    for name in ("'image'", "'seed'", "prompt"):
        assert name in str(caught.value)


def test_how_a_file_becomes_parquet_is_reported(tmp_path):
    (tmp_path / "manifest.parquet").write_text("prompt\na dog\n")
    with (
        pytest.raises(ManifestError, match="`muse-batch manifest build` makes one"),
        opened(str(tmp_path / "manifest.parquet")),
    ):
        pass


def test_damaged_pages_are_found_when_they_are_read(tmp_path):
    path = tmp_path / "manifest.parquet"
    table = pa.table({"prompt": [f"a dog {n}" for n in range(5000)]})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * 20_000 + data[20_100:])
    with opened(str(path)) as manifest, pytest.raises(ManifestError, match="is damaged"):
        [*manifest.batches(1000)]
