"""The vocabulary of the embedded model."""

from muse.mini.vocabulary import description, unknown_words


def test_unknown_words_are_named():
    assert unknown_words("a dog on a beach, at night, evoking fear") == []
    assert unknown_words("A zebra in the dog's kitchen") == ["zebra", "the", "s", "kitchen"]
    assert "dog" in description()
    assert "in a cemetery" in description()
