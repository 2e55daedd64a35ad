"""Every snippet of the card, run with the real library on a corpus of one shard."""

import sys
from pathlib import Path

import pandas
import pytest

from pipeline.output.readers import READERS, snippet
from tests.support.corpora import rows_of

pytestmark = pytest.mark.research

ROWS_OF_METADATA = ("pandas", "polars")


@pytest.fixture
def corpus(make_corpus, monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return make_corpus(min_confidence=0.5, shard_size=100)


@pytest.mark.parametrize("library", list(READERS))
def test_it_reads_every_sample(corpus, library):
    names: dict = {}
    exec(snippet(library, str(corpus), "png"), names)
    data = names["data"]
    rows = rows_of(corpus)
    if library in ROWS_OF_METADATA:
        assert len(data) == len(rows)
    elif library == "Ray Data":
        keys = sorted(row["__key__"] for row in data.take_all())
        assert [key.rpartition("/")[2] for key in keys] == _accepted(rows)
        sys.modules["ray"].shutdown()
    else:
        assert len(list(data)) == len(_accepted(rows))


def _accepted(rows):
    return [row["key"] for row in rows if row["status"] == "accepted"]


def test_pandas_drops_duplicates_of_whole_rows(corpus):
    data = pandas.read_parquet(corpus / "metadata.parquet")
    assert len(pandas.concat([data, data]).drop_duplicates()) == len(data)
