"""What a person reads of a summary."""

import io

import pytest
from rich.console import Console

from pipeline.forecast.forecast import Range
from pipeline.watch import text
from pipeline.watch.summary import EmotionCount, Summary, WorkerSpeed


def _summary(**changes):
    values = {
        "total": 1000,
        "done": 250,
        "statuses": {"accepted": 200, "rejected": 45, "failed": 5},
        "emotions": {"awe": EmotionCount(150, 180), "fear": EmotionCount(50, 70)},
        "images_per_second": 2.5,
        "seconds_left": Range(3000.0, 3600.0, 4200.0),
        "started": 4,
        "placed": 4,
        "ready": 4,
        "workers": 4,
        "slowest": WorkerSpeed("node:7", 3.21),
        "stopped": None,
        "is_running": True,
        "gpu_hours": 1.5,
        "cost": 4.5,
        "problems": ["a worker ended: killed by signal 9"],
        "silent_seconds": 3.0,
    }
    return Summary(**{**values, **changes})


def _shown(summary, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(text.panel(summary, "muse-batch"))
    return console.file.getvalue()


def test_a_line_has_counts_speed_time_and_cost():
    assert text.line(_summary()) == (
        "250/1000 | 200 accepted, 45 rejected, 5 failed | awe 150 fear 50 | speed 2.50 images/s | "
        "time left 60 min (50 min to 70 min) | 1.50 GPU-hours, cost 4.50"
    )
    early = _summary(images_per_second=None, seconds_left=None, emotions={}, gpu_hours=0.0)
    assert text.line(early).endswith("5 failed | speed not known yet | time left not known yet")
    late = _summary(seconds_left=Range(0.0, 0.0, 0.0), gpu_hours=0.0)
    assert text.line(late).endswith("time left the last batches")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"started": None, "placed": 0, "ready": 0, "workers": 0}, "not started yet"),
        ({"placed": 0, "ready": 0, "workers": 0}, "4 starting or waiting for a place"),
        (
            {"placed": 0, "ready": 0, "workers": 0, "held": 3},
            "3 placed and still loading their code, 1 waiting for a place",
        ),
        (
            {"placed": 3, "ready": 0, "workers": 0},
            "3 loading models, 1 starting or waiting for a place",
        ),
        ({"ready": 2, "workers": 0}, "2 at work on the first batches, 2 loading models"),
        ({"workers": 0}, "4 at work on the first batches"),
    ],
)
def test_before_the_first_batch_it_is_told_what_the_workers_do(changes, expected):
    early = _summary(images_per_second=None, seconds_left=None, **changes)
    assert expected in _shown(early)
    assert text.line(early).endswith(f"workers: {expected} | 1.50 GPU-hours, cost 4.50")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "no driver is at work; the same run command resumes it"),
        ({"stopped": "interrupted"}, "stopped: interrupted; the same run command resumes it"),
        ({"stopped": "no money; the same command goes on"}, "stopped: no money; the same command"),
        ({"done": 1000, "stopped": "finished"}, "finished"),
    ],
)
def test_without_a_driver_it_is_told_why(changes, expected):
    ended = _summary(is_running=False, **changes)
    shown = _shown(ended)
    assert f"state  {expected}" in shown
    assert "time left" not in shown
    assert shown.count("same") <= 1
    assert f"| {expected}" in text.line(ended)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_panel_fits_the_terminal(width):
    shown = _shown(_summary(), width)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width
    for part in (
        "45 rejected, 5 failed",
        "250 of 1,000 (25%)",
        "150 of 180 (83%)",
        "slowest node:7",
        "1.50 GPU",
    ):
        assert part in shown
    assert "! a worker ended: killed by signal 9" in shown


def test_names_cannot_control_the_terminal_and_are_no_markup():
    hostile = {"[red]awe[/red]\x1b[2J": EmotionCount(1, 2)}
    shown = _shown(_summary(emotions=hostile, problems=["\x1b]0;title\x07 [bold]x"]))
    assert "\x1b" not in shown
    assert "[red]awe" in shown
    assert "\x1b" not in text.line(_summary(emotions=hostile))


def test_many_emotions_are_summed_up_and_a_silence_is_reported():
    many = {f"emotion {n:02d}": EmotionCount(1, n + 2) for n in range(30)}
    shown = _shown(_summary(emotions=many, silent_seconds=1200.0))
    assert "and 14 more" in shown
    assert "nothing was logged for 20 min" in shown
