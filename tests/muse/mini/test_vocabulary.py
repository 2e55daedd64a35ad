"""The vocabulary of the embedded model."""

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
