"""How far a run is said to be."""

import pytest

from pipeline.errors import UserError
from pipeline.output.status import as_text, status
from tests.support.corpora import rows_of


def test_a_complete_corpus_has_the_counts_of_its_metadata(make_corpus):
    out = make_corpus()
    summary = status(out)
    accepted = sum(row["status"] == "accepted" for row in rows_of(out))
    assert summary["complete"]
    assert (summary["done"], summary["requests"], summary["failed"]) == (30, 30, 0)
    assert summary["accepted"] == accepted
    assert summary["accepted_per_emotion"] == {"awe": accepted}
    assert summary["shards"] == -(-accepted // 5)
    assert f"accepted  {accepted} (awe {accepted})" in as_text(summary)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not the output of a run"):
        status(tmp_path)
