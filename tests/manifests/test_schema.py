"""Columns of a manifest: which names look like a mistake for one of ours."""

import pytest

from manifests.schema import COLUMNS, intended_column


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Emotion", "emotion"),
        (" emotion ", "emotion"),
        ("emotions", "emotion"),
        ("EMOTION", "emotion"),
        ("prompts", "prompt"),
        ("Caption", "prompt"),
        ("\u00e9motion", "emotion"),
        ("emocio\u0301n", "emotion"),
        ("\u0435motion", "emotion"),
        ("\uff45motion", "emotion"),
        ("class", "emotion"),
        ("mood", "emotion"),
        ("negative-prompt", "negative_prompt"),
        ("negativePrompt", "negative_prompt"),
        ("image_url", "image"),
        ("ID", "id"),
        ("seeds", "seed"),
        ("promt", "prompt"),
        ("emotoin", "emotion"),
        ("imge", "image"),
        ("negativ_prompt", "negative_prompt"),
        ("motion", None),
        ("url", None),
        ("file", None),
        ("speed", None),
        ("emotional", None),
        ("rating", None),
        ("key", None),
        ("emotional_range", None),
    ],
)
def test_variants_and_synonyms_name_the_column_that_was_meant(name, expected):
    assert intended_column(name, [name]) == expected


@pytest.mark.parametrize("name", COLUMNS)
def test_our_own_names_are_no_mistakes(name):
    assert intended_column(name, [name]) is None


@pytest.mark.parametrize("name", ["label", "mood", "Emotion", "emotions", "emotoin"])
def test_where_the_column_is_there_further_ones_have_any_name(name):
    assert intended_column(name, ["prompt", name]) == "emotion"
    assert intended_column(name, ["prompt", "emotion", name]) is None
