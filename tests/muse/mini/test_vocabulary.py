"""The vocabulary of the embedded model."""

import pytest

from muse.mini.vocabulary import description, nearest_known, unknown_words, with_nearest


def test_unknown_words_are_named():
    assert unknown_words("a dog on a beach, at night, evoking fear") == []
    assert unknown_words("A zebra in the dog's kitchen") == ["zebra", "the", "s", "kitchen"]
    assert "dog" in description()
    assert "in a cemetery" in description()


def test_an_unknown_word_is_reported_with_the_known_one_that_may_be_meant():
    assert with_nearest("dgo") == "dgo (dog?)"
    assert with_nearest("beaches") == "beaches (beach?)"
    assert with_nearest("xylophone") == "xylophone"
    assert nearest_known("犬") is None


@pytest.mark.parametrize("word", ["one", "iron", "bowl", "spiral", "an", "hat"])
def test_words_that_are_only_a_little_alike_are_no_hint(word):
    assert nearest_known(word) is None
