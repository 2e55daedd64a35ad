"""Runs and corpora from Python, as in a notebook."""

import io
import math
from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from manifests.check import ManifestError
from pipeline import Corpus, run
from pipeline.corpora.flags import Flags, read_flags, write_flags
from pipeline.errors import UserError
from tests.support.corpora import rows_of

ROWS = [{"prompt": f"a dog {n}", "emotion": "awe" if n % 2 else "fear"} for n in range(12)]
SETTINGS = {"engine": "null", "executor": "local", "batch_size": 4, "shard_size": 5}


@pytest.fixture
def corpus(tmp_path):
    return run(ROWS, tmp_path / "out", **SETTINGS)


def test_rows_become_a_corpus_and_the_same_call_finds_it(corpus, tmp_path):
    assert corpus.complete
    assert len(corpus) == len(ROWS)
    assert corpus.metadata["prompt"].tolist() == [row["prompt"] for row in ROWS]
    again = run(ROWS, tmp_path / "out", **SETTINGS)
    assert again.metadata.equals(corpus.metadata)


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pa.Table.from_pylist])
def test_every_kind_of_table_gives_the_same_samples(make, corpus, tmp_path):
    other = run(make(ROWS), tmp_path / "other", **SETTINGS)
    assert other.metadata.equals(corpus.metadata)


def test_settings_are_those_of_the_command_and_mistakes_name_them(tmp_path):
    with pytest.raises(UserError, match=r"method\.steps"):
        run(ROWS, tmp_path / "out", method={"steps": 0}, **SETTINGS)
    with pytest.raises(UserError, match="batch_size"):
        run(ROWS, tmp_path / "out", batchsize=4)
    with pytest.raises(ManifestError, match="unknown emotion"):
        run([{"prompt": "a dog", "emotion": "joyous"}], tmp_path / "new", **SETTINGS)


def test_a_mistake_names_an_argument_and_no_option(corpus, tmp_path):
    with pytest.raises(UserError, match=r"^settings: unknown key step; did you mean method\.steps"):
        run(ROWS, tmp_path / "new", step=3, **SETTINGS)
    with pytest.raises(UserError, match=r"^settings: min_confidence is 2; give a number from 0"):
        corpus.refilter(tmp_path / "picked", min_confidence=2)


def test_scalars_of_numpy_are_numbers_and_paths_texts(tmp_path):
    settings = {"limit": np.int64(2), "method": {"learning_rate": np.float64(0.5)}}
    made = run(ROWS, tmp_path / "out", model=Path("mine"), **settings, **SETTINGS)
    assert len(made) == 2


def test_other_rows_are_refused_and_those_of_the_corpus_stay(corpus, tmp_path):
    before = (tmp_path / "out.manifest.parquet").read_bytes()
    with pytest.raises(UserError, match="begun with other rows"):
        run(ROWS[:3], tmp_path / "out", **SETTINGS)
    assert (tmp_path / "out.manifest.parquet").read_bytes() == before


def test_a_file_of_another_origin_is_not_overwritten_and_rows_can_be_corrected(tmp_path):
    mine = tmp_path / "data.manifest.parquet"
    mine.write_text("mine")
    with pytest.raises(UserError, match="no earlier call wrote it"):
        run(ROWS, tmp_path / "data", **SETTINGS)
    assert mine.read_text() == "mine"
    with pytest.raises(UserError, match="no rows"):
        run([], tmp_path / "new", **SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    with pytest.raises(ManifestError):
        run([{"prompt": "a dog", "emotion": "joyous"}], tmp_path / "new", **SETTINGS)
    assert run(ROWS, tmp_path / "new", **SETTINGS).complete


def test_equal_rows_are_known_whatever_wrote_their_file(tmp_path):
    """Another version of pyarrow writes other bytes, and NaN differs from itself."""
    rows = [{**row, "stars": math.nan} for row in ROWS]
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"muse_batch": "rows given in memory"}
    )
    file = tmp_path / "out.manifest.parquet"
    pq.write_table(table, file, compression="zstd")
    before = file.read_bytes()
    for _ in range(2):
        assert run(rows, tmp_path / "out", **SETTINGS).complete
        assert file.read_bytes() == before
    with pytest.raises(UserError, match="begun with other rows"):
        run([{**row, "stars": 1.0} for row in rows], tmp_path / "out", **SETTINGS)


def test_samples_have_their_pictures_and_are_found_by_key(corpus, tmp_path):
    accepted = [row for row in rows_of(tmp_path / "out") if row["status"] == "accepted"]
    samples = list(corpus)
    assert [sample.key for sample in samples] == [row["key"] for row in accepted]
    assert all(sample.image.size == (64, 64) for sample in samples)
    one = corpus[samples[-1].key]
    assert one.encoded == samples[-1].encoded
    assert Image.open(io.BytesIO(one.encoded)).format == "PNG"
    fear = list(corpus.samples(status=None, emotion="fear"))
    assert len(fear) == len(ROWS) // 2
    rejected = next(corpus.samples(status="rejected"))
    assert rejected.image is None
    with pytest.raises(KeyError):
        corpus["nosuch"]


def test_flags_and_thresholds_make_another_corpus(corpus, tmp_path):
    first, *others = [sample.key for sample in corpus]
    picked = corpus.refilter(tmp_path / "picked", {first: "reject"})
    assert [sample.key for sample in picked] == others
    sure = corpus.refilter(tmp_path / "sure", min_confidence=0.9)
    assert all(sample.metadata["judge_confidence"] >= 0.9 for sample in sure)


def test_flags_of_other_shapes_are_refused_and_no_file_of_flags_is_replaced(corpus, tmp_path):
    for flags in ([1], "reject", {5: "reject"}, {"5": "reject"}, {"000000000001": "maybe"}):
        with pytest.raises(UserError, match="flags"):
            corpus.refilter(tmp_path / "picked", flags=flags)
    assert not (tmp_path / "picked.flags.parquet").exists()
    by_hand = Flags(corpus._rows.run.fingerprint, {"000000000002": "reject"})
    write_flags(tmp_path / "picked.flags.parquet", by_hand)
    with pytest.raises(UserError, match="holds other flags; give another output"):
        corpus.refilter(tmp_path / "picked", flags={"000000000001": "reject"})
    assert read_flags(tmp_path / "picked.flags.parquet", corpus._rows.run) == by_hand
    corpus.refilter(tmp_path / "picked", flags=dict(by_hand.by_key))


@pytest.mark.parametrize("rows", [None, [], ["a dog"], [{"prompt": "a", "x": {}}]])
def test_what_are_no_rows_is_refused(rows, tmp_path):
    with pytest.raises(UserError):
        run(rows, tmp_path / "out", **SETTINGS)
    assert not [*tmp_path.iterdir()]


def test_odd_arguments_are_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="count is -1"):
        corpus.show(-1)
    with pytest.raises(UserError, match="config is 5"):
        run(ROWS, tmp_path / "new", config=5, **SETTINGS)


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(UserError):
        Corpus(tmp_path)


@pytest.mark.parametrize("output", [None, 5, "", ROWS])
def test_an_output_that_names_no_folder_is_refused(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (lambda: run(ROWS, output, **SETTINGS), lambda: Corpus(output)):
        with pytest.raises(UserError, match="give a folder, or a URL"):
            call()
    assert [*tmp_path.iterdir()] == []


def test_samples_that_cannot_exist_are_refused_at_once(corpus):
    with pytest.raises(UserError, match="status is 'nope'; choose accepted, rejected, failed, or "):
        corpus.samples(status="nope")
    with pytest.raises(UserError, match="emotion is 'joy'; choose amusement, awe, "):
        corpus.show(emotion="joy")
