"""Fingerprints: what they depend on, and which differences cannot change an image."""

import pytest

from pipeline.planning.fingerprint import Difference, can_change_images, differences, fingerprint


def test_fingerprints_differ_with_any_part_and_the_difference_is_named():
    old = {"config": {"seed": 0, "method": {"steps": 20}}, "manifest": "a"}
    new = {"config": {"seed": 1, "method": {"steps": 20}}, "manifest": "a"}
    assert fingerprint(old) != fingerprint(new)
    assert fingerprint(old) == fingerprint(dict(reversed(old.items())))
    assert differences(old, new) == [Difference("config.seed", 0, 1)]
    assert str(differences(old, new)[0]) == "config.seed: 0 -> 1"


def _parts(**more):
    parts = {
        "config": {"guide": "/models/a", "seed": 0},
        "models": {"guide": {"name": "/models/a", "sha256": "1"}},
        "versions": {"python": "3.11.1", "torch": "2.6"},
    }
    return {key: {**value, **more.get(key, {})} for key, value in parts.items()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"versions": {"python": "3.11.9"}}, False),
        ({"versions": {"torch": "2.7"}}, True),
        ({"config": {"seed": 1}}, True),
        (
            {
                "config": {"guide": "/moved/a"},
                "models": {"guide": {"name": "/moved/a", "sha256": "1"}},
            },
            False,
        ),
        (
            {
                "config": {"guide": "/models/b"},
                "models": {"guide": {"name": "/models/b", "sha256": "2"}},
            },
            True,
        ),
    ],
)
def test_which_differences_can_change_images(change, expected):
    old, new = _parts(), _parts(**change)
    found = differences(old, new)
    assert found
    assert any(can_change_images(difference, old, new) for difference in found) == expected


def test_a_long_value_is_cut_in_the_message():
    (difference,) = differences({"config": {"label_map": "x" * 100}}, {"config": {}})
    assert len(str(difference)) < 80
    assert str(difference).endswith("... -> null")
