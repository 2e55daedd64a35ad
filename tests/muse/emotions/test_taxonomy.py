import pytest

from muse.emotions import MIKELS


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
