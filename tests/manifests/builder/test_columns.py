"""Which columns of a source stand for ours."""

import pytest

from manifests.builder.columns import parse_mapping, renamed_object, renames
from manifests.check import ManifestError


def _renames(names, **mapping):
    notes = []
    return renames("t.csv", names, mapping, notes), notes


def test_a_mapping_is_ours_to_theirs():
    assert parse_mapping(["prompt=caption", " image = file=name "]) == {
        "prompt": "caption",
        "image": "file=name",
    }


@pytest.mark.parametrize(
    ("assignments", "problem"),
    [
        (["prompt"], "write OURS=THEIRS"),
        (["caption=prompt"], "no source gives a column 'caption'; choose prompt, image"),
        (["prompt=a", "prompt=b"], "mapped twice"),
        (["prompt=a", "id=", "seed=", "mask=a"], "mask=a: a is mapped to prompt already"),
    ],
)
def test_no_mapping_is_refused(assignments, problem):
    with pytest.raises(ValueError, match=problem):
        parse_mapping(assignments)


def test_one_column_that_resembles_ours_is_taken_and_reported():
    renamed, notes = _renames(["Caption", "stars"])
    assert renamed == {"Caption": "prompt", "stars": "stars"}
    assert notes == ["t.csv: column 'Caption' was taken as prompt"]
    # Where the right one is there, nothing is guessed.
    assert _renames(["prompt", "caption"]) == ({"prompt": "prompt", "caption": "caption"}, [])


@pytest.mark.parametrize("sides", [("width",), ("height",), ("width", "height")])
def test_sizes_are_kept_as_those_of_pictures_and_that_is_said_once(sides):
    renamed, (note,) = _renames(["prompt", *sides])
    assert renamed == {"prompt": "prompt"} | {side: f"picture_{side}" for side in sides}
    kept = " and ".join(f"{side} as picture_{side}" for side in sides)
    assert note.startswith(f"t.csv: kept column {kept}, as the size of a photograph. ")
    assert "--set width=512 --set height=768" in note


def test_a_mapped_column_replaces_the_one_of_our_name():
    assert _renames(["prompt", "caption"], prompt="caption") == (
        {"prompt": "source_prompt", "caption": "prompt"},
        [],
    )
    assert _renames(["prompt", "image"], prompt="image", image="prompt")[0] == {
        "prompt": "image",
        "image": "prompt",
    }


def test_a_column_of_ours_can_be_left_out():
    assert parse_mapping(["id="]) == {"id": ""}
    assert _renames(["prompt", "id"], id="") == ({"prompt": "prompt", "id": "source_id"}, [])
    assert _renames(["prompt", "mood"], emotion="") == ({"prompt": "prompt", "mood": "mood"}, [])
    assert renamed_object({"prompt": "x", "emotion": "awe"}, {"emotion": ""}) == (
        {"prompt": "x"},
        ["emotion"],
    )


def test_what_is_ambiguous_or_missing_is_refused_with_the_option():
    with pytest.raises(ManifestError, match="give --map prompt=caption or --map prompt=text"):
        _renames(["caption", "text"])
    with pytest.raises(ManifestError, match="no such column; did you mean 'caption'"):
        _renames(["caption"], prompt="captoin")


def test_columns_that_differ_in_case_alone_are_not_guessed():
    with pytest.raises(ManifestError, match="Prompt and prompt differ in case alone; give --map "):
        _renames(["prompt", "Prompt"])
    with pytest.raises(ValueError, match="give --map id=ID"):
        renamed_object({"prompt": "x", "ID": 1, "id": 2}, {})
    renamed = {"prompt": "source_prompt", "Prompt": "prompt"}
    assert _renames(["prompt", "Prompt"], prompt="Prompt") == (renamed, [])


def test_an_object_beside_an_image():
    assert renamed_object({"caption": "x", "emotion": "awe", "w": 1}, {}) == (
        {"prompt": "x", "emotion": "awe"},
        ["w"],
    )
    assert renamed_object({"alt": "x", "prompt": "y"}, {"prompt": "alt"}) == (
        {"prompt": "x"},
        ["prompt"],
    )
    with pytest.raises(ValueError, match="the keys caption, text could all be 'prompt'"):
        renamed_object({"caption": "x", "text": "y"}, {})
