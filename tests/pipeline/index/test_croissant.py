"""The Croissant description is valid by MLCommons' own library, which reads the records by it."""

import mlcroissant
import pytest

from tests.support.corpora import rows_of


@pytest.mark.research
def test_mlcroissant_accepts_it_and_reads_every_record(make_corpus, caplog):
    out = make_corpus(min_confidence=0.5)
    dataset = mlcroissant.Dataset(out / "croissant.json")
    assert not dataset.metadata.issues.errors
    # Who publishes the corpus adds these.
    missing = [warning.split('"')[1] for warning in dataset.metadata.issues.warnings]
    assert sorted(missing) == ["https://schema.org/datePublished", "https://schema.org/license"]
    assert "@context" not in caplog.text
    records = list(dataset.records("requests"))
    rows = rows_of(out)
    assert len(records) == len(rows)
    for record, row in zip(records, rows, strict=True):
        assert record["requests/key"].decode() == row["key"]
        assert record["requests/rating"] == row["rating"]
        if row["judge_awe"] is not None:
            assert record["requests/judge_awe"] == row["judge_awe"]
