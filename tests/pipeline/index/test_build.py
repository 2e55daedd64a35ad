"""The index names every file of a corpus by its digest; what a killed driver left is cleared."""

import hashlib

import pytest

from pipeline.index.build import clear_leftovers
from pipeline.output.batches import BatchFile, batch_path
from pipeline.output.markers import read_markers
from pipeline.output.run.run_file import read_run
from pipeline.storage.lease import lease_file
from tests.support.local_runs import run_locally, write_rows


@pytest.fixture
def corpus(tmp_path):
    run_locally(write_rows(tmp_path / "m.parquet", 12), tmp_path / "out")
    return tmp_path / "out"


def test_the_run_file_names_all_files_of_the_index_by_their_digests(corpus):
    files = read_run(corpus).files
    present = {path.name for path in corpus.iterdir() if path.is_file()} - {"run.json"}
    assert present <= files.keys()
    for name, digest in files.items():
        assert hashlib.sha256((corpus / name).read_bytes()).hexdigest() == digest


def test_rejected_images_of_a_corpus_without_samples_are_named_by_its_marker(tmp_path):
    manifest, out = write_rows(tmp_path / "m.parquet", 4), tmp_path / "out"
    run_locally(manifest, out, min_confidence=1.0, keep_rejected=True)
    (marker,) = read_markers(out)
    assert sorted(marker.sha256) == ["00000000.parquet", "rejected/00000000.tar"]


def test_a_lease_and_a_batch_left_by_a_killed_driver_are_cleared(corpus, tmp_path):
    left = batch_path(corpus, BatchFile(1, "0123456789abcdef", 9))
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"left over")
    clear_leftovers(corpus)
    assert not left.exists()
    assert not lease_file(corpus).exists()


def test_a_clean_corpus_is_left_as_it_is(corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    clear_leftovers(corpus)
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before
