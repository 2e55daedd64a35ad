"""Timing of the command."""

import pytest

from jobs.benchmark import command_timing

QUICK = ["method.steps=3", "method.max_updates_per_step=1"]


def test_the_parts_of_a_start_add_up_to_the_first_image():
    lines = [
        {"event": "start", "at": 9.5, "checked": 3.0, "connected": 7.0},
        {"event": "placed", "at": 8.0, "pid": 1},
        {"event": "placed", "at": 8.5, "pid": 2},
        {"event": "ready", "at": 13.0, "pid": 1, "imports": 4.0, "models": 0.9},
        {"batch": 0, "at": 20.0, "seconds": 6.9},
        {"batch": 1, "at": 26.0, "seconds": 5.9},
    ]
    split = command_timing.startup(lines, began=1.0)
    assert split == {
        "checks": 2.0,
        "ray": 4.0,
        "worker": 1.0,
        "libraries": 4.0,
        "models": 1.0,
        "first_batch": 7.0,
    }
    assert sum(split.values()) == 20.0 - 1.0


@pytest.mark.research
def test_the_plain_loop_makes_the_images_of_the_run():
    settings = [*QUICK, "min_confidence=0.0", "method.updates=always"]
    figures = command_timing.measure(settings, images=6, batch=2)
    assert (figures["accepted"], figures["same_images"]) == (6, True)
    assert all(taken > 0 for taken in figures["startup"].values())
    assert figures["worker"] <= figures["steady"]
    assert 0 < figures["help_seconds"] < figures["first_image_seconds"]
    assert figures["status_seconds"] > 0
    assert {"network", "guide", "gradient", "full decoder", "similarity", "writing"} <= set(
        figures["parts"]
    )
