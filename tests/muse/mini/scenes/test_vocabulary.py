"""Unknown words are reported with the nearest known one."""

from muse.mini.scenes.vocabulary import RELATED, known_words, nearest_known, unknown_words


def test_unknown_words_are_reported_in_order_with_the_nearest_known():
    prompt = "A wolf in a graveyrd, evoking fear, beside a zeppelin"
    assert unknown_words(prompt) == {"wolf": "dog", "graveyrd": "graveyard", "zeppelin": None}
    assert unknown_words("the puppies are in the snowy alps") == {"puppies": "puppy", "are": None}


def test_related_words_are_unknown_ones_and_lead_to_known_ones():
    assert not RELATED.keys() & known_words()
    assert set(RELATED.values()) <= known_words()


def test_case_does_not_matter():
    assert nearest_known("Ocean") == "beach"
    assert unknown_words("A DOG") == {}
