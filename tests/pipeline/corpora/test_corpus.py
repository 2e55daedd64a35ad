"""A finished corpus is read again whole, and only if it is what was committed."""

import pytest

from pipeline.corpora.corpus import finished_run, read_results, schema_of
from pipeline.errors import UserError
from tests.support.corpora import rows_of
from tests.support.local_runs import run_locally, write_rows


@pytest.fixture
def corpus(tmp_path):
    run_locally(write_rows(tmp_path / "m.parquet", 12), tmp_path / "out")
    return tmp_path / "out"


def test_all_results_come_back_in_the_order_of_the_plan(corpus):
    found = [*read_results(corpus, finished_run(corpus))]
    results = [result for _, batch in found for result in batch]
    rows = rows_of(corpus)
    assert [number for number, _ in found] == [0, 1, 2]
    assert [result.record["key"] for result in results] == [row["key"] for row in rows]
    for result in results:
        assert (result.image is not None) == (result.record["status"] == "accepted")
    assert {*schema_of(corpus, finished_run(corpus)).names} == {*rows[0]}


def test_a_corpus_without_accepted_samples_is_read_from_its_metadata(tmp_path):
    manifest = write_rows(tmp_path / "m.parquet", 4)
    run_locally(manifest, tmp_path / "out", min_confidence=1.0)
    ((number, results),) = read_results(tmp_path / "out", finished_run(tmp_path / "out"))
    assert (number, [result.image for result in results]) == (0, [None] * 4)


@pytest.mark.parametrize("suffix", ["tar", "parquet"])
def test_a_changed_bit_of_any_shard_is_refused_by_name(corpus, suffix):
    path = sorted((corpus / "shards").glob(f"*.{suffix}"))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"{path.name} is damaged"):
        [*read_results(corpus, finished_run(corpus))]


def test_an_unfinished_corpus_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"run\.json"):
        finished_run(tmp_path)
