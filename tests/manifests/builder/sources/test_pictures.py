"""What is written beside an image: which caption counts, and what is told of the others."""

import json

import pytest

from manifests.builder.sources.pictures import MAX_NAMES, described, left_out_notes


@pytest.mark.parametrize(
    ("captions", "prompt", "overruled"),
    [
        # The same words, or none, contradict nothing.
        ({"json": {"caption": " a wall"}, "txt": "a wall\n"}, " a wall", ""),
        ({"json": {"caption": " "}, "txt": "a wall"}, "a wall", ""),
        ({"json": {}, "txt": "a wall"}, "a wall", ""),
        ({"json": {"caption": "a wall"}, "txt": " "}, "a wall", ""),
        (
            {"json": {"caption": "a door"}, "txt": "a wall", "caption": "a wall"},
            "a door",
            "another caption in .txt and .caption; that in .json counts",
        ),
        (
            {"json": {}, "txt": "a wall", "caption": "a door"},
            "a wall",
            "another caption in .caption; that in .txt counts",
        ),
        ({"caption": "a door"}, "a door", ""),
    ],
)
def test_the_json_counts_before_the_texts_and_contradictions_are_told(captions, prompt, overruled):
    encoded = {
        suffix: (text if isinstance(text, str) else json.dumps({"emotion": "awe", **text})).encode()
        for suffix, text in captions.items()
    }
    found = described(encoded, {})
    assert found.values["prompt"] == prompt
    assert ("emotion" in found.values) == ("json" in captions)
    assert found.overruled == overruled


def test_names_that_are_left_out_are_listed_up_to_a_number():
    keys = [f"k{number:02}" for number in range(MAX_NAMES + 2)]
    (note,) = left_out_notes("photos", keys)
    assert note.startswith("photos: left out: keys of .json files k00, k01, ")
    assert note.endswith(", k11, and 2 more")
    assert [*left_out_notes("photos", [])] == []
