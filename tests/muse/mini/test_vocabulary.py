"""The vocabulary of the embedded model."""

import pytest

from muse.mini.vocabulary import (
    RELATED,
    description,
    known_words,
    nearest_known,
    unknown_words,
    with_nearest,
)
from muse.mini.world.contents import PLACES, SUBJECTS


def test_unknown_words_are_named_in_order():
    assert unknown_words("a dog on a beach, at night, evoking fear") == []
    assert unknown_words("A DOG") == []
    prompt = "A Zebra in the dog's kitchen, a zebra beside a zeppelin"
    assert unknown_words(prompt) == ["zebra", "kitchen", "zeppelin"]


def test_symbols_are_unknown_and_a_prompt_of_no_words_is_so_itself():
    assert unknown_words("😀 a dog on a beach 🦓😀") == ["😀", "🦓"]
    assert unknown_words("...") == ["..."]
    assert unknown_words(" ") == []
    assert with_nearest("🦓") == "🦓"


def test_an_unknown_word_is_reported_with_the_known_one_that_may_be_meant():
    assert with_nearest("dgo") == "dgo (dog?)"
    assert with_nearest("graveyrd") == "graveyrd (graveyard?)"
    assert with_nearest("beaches") == "beaches (beach?)"
    assert with_nearest("xylophone") == "xylophone"
    assert nearest_known("犬") is None


def test_meaning_counts_before_spelling_and_case_does_not():
    assert with_nearest("wolves") == "wolves"
    assert with_nearest("wolf") == "wolf (dog?)"
    assert nearest_known("Ocean") == "beach"


def test_related_words_are_unknown_ones_and_lead_to_known_ones():
    assert not RELATED.keys() & known_words()
    assert set(RELATED.values()) <= known_words()


@pytest.mark.parametrize("word", ["one", "iron", "bowl", "spiral", "to", "hat"])
def test_words_that_are_only_a_little_alike_are_no_hint(word):
    assert nearest_known(word) is None


def test_the_description_names_every_content_as_a_prompt_may_have_it():
    text = "\n".join(description())
    assert all(name in text for name in SUBJECTS)
    assert all(place.words[0] in text for place in PLACES.values())
    example = text.rsplit("as in '", 1)[1].removesuffix("'.")
    assert unknown_words(example) == []
