"""Several corpora made into one."""

import json
import tarfile

import pytest

from pipeline.corpora import merge as merging
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
    changed = {"key", "batch", "shard", "file", "rating", "season", "source_corpus"}
    for new, old in zip(rows, [*rows_of(one), *rows_of(two)], strict=True):
        assert {k: v for k, v in new.items() if k not in changed} == {
            k: v for k, v in old.items() if k not in changed
        }
    assert (rows[0]["rating"], rows[0]["season"]) == (0, None)
    assert (rows[40]["rating"], rows[40]["season"]) == (None, "x")
    assert [row["source_corpus"] for row in rows] == [0] * 30 + [1] * 11
    again = merge([one, two], tmp_path / "both")
    assert again == counts


def test_corpora_that_were_merged_before_stay_apart(make_corpus, tmp_path):
    one, two, three = (make_corpus(f"c{seed}", count=4, seed=seed) for seed in range(3))
    merge([one, two], tmp_path / "both")
    merge([three, tmp_path / "both"], tmp_path / "all")
    assert verify(tmp_path / "all") == []
    assert [row["source_corpus"] for row in rows_of(tmp_path / "all")] == [0] * 4 + [1] * 4 + [
        2
    ] * 4
    with tarfile.open(tmp_path / "all" / "shards" / "00000000.tar") as tar:
        name = next(name for name in tar.getnames() if name.endswith(".json"))
        assert json.load(tar.extractfile(name))["manifest"]["source_corpus"] in (0, 1, 2)


def test_corpora_that_an_earlier_release_merged_stay_apart(make_corpus, tmp_path, monkeypatch):
    """It wrote no column that tells them apart."""
    one, two, three = (make_corpus(f"c{seed}", count=3 + seed, seed=seed) for seed in range(3))
    common = merging._common_schema

    def without_the_column(corpora):
        schema = common(corpora)
        return schema.remove(schema.get_field_index(merging.SOURCE))

    with monkeypatch.context() as patch:
        patch.setattr(merging, "_common_schema", without_the_column)
        merge([one, two], tmp_path / "both")
    assert "source_corpus" not in rows_of(tmp_path / "both")[0]
    merge([tmp_path / "both", three], tmp_path / "all")
    assert verify(tmp_path / "all") == []
    sources = [row["source_corpus"] for row in rows_of(tmp_path / "all")]
    assert sources == [0] * 3 + [1] * 4 + [2] * 5


def test_a_column_of_that_name_is_refused(make_corpus, tmp_path):
    rows = [{"prompt": "a dog", "emotion": "awe", "source_corpus": "x"}]
    one, two = make_corpus("one"), make_corpus("two", rows=rows)
    with pytest.raises(UserError, match=f"{two} has a column source_corpus of its manifest"):
        merge([one, two], tmp_path / "both")


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
