import pytest

from muse.emotions import MIKELS, Target, Taxonomy


def test_labels_stand_in_emosets_order_and_split_by_polarity():
    assert MIKELS.labels == (
        "amusement",
        "awe",
        "contentment",
        "excitement",
        "anger",
        "disgust",
        "fear",
        "sadness",
    )
    assert MIKELS.polarity == (1, 1, 1, 1, -1, -1, -1, -1)
    assert sorted(MIKELS.wheel) == sorted(MIKELS.labels)


def test_unknown_emotion_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'sadness'"):
        MIKELS.index("sadnes")


def test_no_emotion_is_suggested_that_only_ends_alike():
    with pytest.raises(ValueError, match="unknown emotion 'happiness'; mikels-8 knows: amusement"):
        MIKELS.index("happiness")


@pytest.mark.parametrize(
    ("emotion", "near"),
    [
        ("fear", ("sadness",)),  # never excitement, its other neighbour on the wheel
        ("anger", ("disgust",)),  # never amusement
        ("awe", ("excitement", "contentment")),
    ],
)
def test_similar_emotions_share_the_polarity(emotion, near):
    assert set(MIKELS.similar(emotion)) == set(near)


def test_an_accent_in_two_code_points_is_the_same_label():
    composed, decomposed = "s\u00e9r\u00e9nit\u00e9", "se\u0301re\u0301nite\u0301"
    assert composed != decomposed
    for written in (composed, decomposed):
        moods = Taxonomy("moods", (written, "ennui"), (1, -1), ())
        for name in (composed, decomposed.upper()):
            assert moods.index(name) == 0
        assert Target.of(decomposed, moods).members == (composed,)
    with pytest.raises(ValueError, match="twice"):
        Taxonomy("moods", (composed, decomposed), (1, -1), ())
