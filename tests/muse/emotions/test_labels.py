import pytest

from muse.emotions import MIKELS, Taxonomy
from muse.emotions.labels import assignment
from muse.emotions.taxonomies import load_taxonomy


def test_labels_are_assigned_by_name_several_to_one_and_left_out_on_request():
    own = [
        "Fear",
        "glee",
        "happiness",
        "blur",
        "anger",
        "disgust",
        "sadness",
        "surprise",
        "neutral",
    ]
    label_map = {"glee": "joy", "Happiness": "joy", "blur": ""}
    emotion6 = load_taxonomy("emotion6")
    given = assignment(own, emotion6, label_map)
    assert [None if i is None else emotion6.labels[i] for i in given] == [
        "fear", "joy", "joy", None, "anger", "disgust", "sadness", "surprise", "neutral"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "label_map", "message"),
    [
        (["glee", *MIKELS.labels], {}, "'glee' = "),
        (MIKELS.labels[:-1], {}, "none means sadness"),
        (MIKELS.labels, {"glee": "awe"}, "label_map names glee, but the labels are amusement"),
        (["glee", *MIKELS.labels], {"glee": "joy"}, "unknown emotion 'joy'"),
        (MIKELS.labels, {"awe": ""}, "none means awe"),
    ],
)
def test_labels_that_do_not_match_are_refused_with_both_lists_or_the_culprit(
    own, label_map, message
):
    with pytest.raises(ValueError, match=message):
        assignment(own, MIKELS, label_map)


def test_labels_match_whichever_way_their_accents_are_written():
    moods = Taxonomy("moods", ("s\u00e9r\u00e9nit\u00e9", "ennui"), (1, -1), ())
    assert assignment(["ennui", "Se\u0301re\u0301nite\u0301"], moods) == (1, 0)
