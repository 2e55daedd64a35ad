"""Corpora that have images in common."""

import pytest

from pipeline.corpora.duplicates import refuse_duplicates
from pipeline.corpora.merge import merge
from pipeline.corpora.refilter import refilter
from pipeline.errors import UserError
from pipeline.output.run.run_file import read_run
from tests.support.corpora import ROWS, fail_on_warning, rows_of


def refused(*corpora):
    with pytest.raises(UserError) as error:
        refuse_duplicates({corpus: read_run(corpus) for corpus in corpora})
    return str(error.value)


def test_a_corpus_is_not_merged_with_what_refilter_made_of_it(make_corpus, tmp_path):
    one, late = make_corpus("one"), tmp_path / "late"
    refilter(one, late, [], {"min_confidence": 0.7}, fail_on_warning)
    with pytest.raises(UserError, match=f"{one} and {late} have 30 image"):
        merge([one, late], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_nor_with_a_corpus_that_it_went_into(make_corpus, tmp_path):
    one, two = make_corpus("one"), make_corpus("two", seed=1)
    merge([two, one], tmp_path / "both")
    message = refused(tmp_path / "both", one)
    assert "000000000030 of the one is 000000000000 of the other" in message
    assert "give one of the two alone" in message


def test_runs_of_the_same_rows_with_other_thresholds_have_images_in_common(make_corpus):
    """Of some, a later attempt is kept: they are other images."""
    one = make_corpus("one", min_confidence=0.2)
    two = make_corpus("two", min_confidence=0.7, candidates=3)
    pairs = zip(rows_of(one), rows_of(two), strict=True)
    same = sum(old["phash"] == new["phash"] for old, new in pairs)
    assert 0 < same < len(ROWS)
    assert f"have {same} image(s) in common" in refused(one, two)


def test_other_seeds_and_images_that_occur_twice_in_one_corpus_are_no_duplicates(make_corpus):
    one, two = make_corpus("one"), make_corpus("two", seed=1)
    refuse_duplicates({corpus: read_run(corpus) for corpus in (one, two)})
