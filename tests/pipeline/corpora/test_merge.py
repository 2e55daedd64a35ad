"""Several corpora made into one."""

import pytest

from pipeline.corpora.merge import merge
from pipeline.corpora.verify import verify
from pipeline.errors import UserError
from tests.support.corpora import rows_of


def test_a_merged_corpus_holds_both_with_new_keys(make_corpus, tmp_path):
    one = make_corpus("one")
    two = make_corpus(
        "two",
        rows=[{"prompt": f"a cat {n}", "emotion": "fear", "season": "x"} for n in range(11)],
        seed=3,
        shard_size=2,
    )
    counts = merge([one, two], tmp_path / "both")
    assert verify(tmp_path / "both") == []
    rows = rows_of(tmp_path / "both")
    assert counts["requests"] == len(rows) == 41
    changed = {"key", "batch", "shard", "file", "rating", "season"}
    for new, old in zip(rows, [*rows_of(one), *rows_of(two)], strict=True):
        assert {k: v for k, v in new.items() if k not in changed} == {
            k: v for k, v in old.items() if k not in changed
        }
    assert (rows[0]["rating"], rows[0]["season"]) == (0, None)
    assert (rows[40]["rating"], rows[40]["season"]) == (None, "x")
    again = merge([one, two], tmp_path / "both")
    assert again == counts


def test_corpora_that_do_not_fit_are_not_merged(make_corpus, tmp_path):
    one, two = make_corpus("one"), make_corpus("two", image_format="webp")
    with pytest.raises(UserError, match="differ in image_format"):
        merge([one, two], tmp_path / "both")


def test_the_same_corpus_is_not_merged_twice(make_corpus, tmp_path):
    one, copy = make_corpus("one"), make_corpus("copy")
    with pytest.raises(UserError, match=f"{one} is given twice; give it once"):
        merge([one, one], tmp_path / "both")
    with pytest.raises(UserError, match=f"{one} and {copy} are the same corpus"):
        merge([one, copy], tmp_path / "both")
