"""Trackers: TensorBoard's files read by its reader, a stand-in for Weights & Biases."""

import sys
from types import SimpleNamespace

import pytest
from tensorboardX.proto.event_pb2 import Event

from pipeline.errors import UserError
from pipeline.watch.summary import EmotionCount, Summary
from pipeline.watch.tracking import figures, tracker_for


def _summary(done):
    return Summary(
        total=10,
        done=done,
        statuses={"accepted": done},
        emotions={"awe": EmotionCount(done, 2 * done)},
        images_per_second=1.5,
        seconds_left=None,
        started=1,
        placed=1,
        ready=1,
        workers=1,
        slowest=None,
        stopped=None,
        is_running=True,
        gpu_hours=0.25,
        cost=None,
        problems=[],
        silent_seconds=None,
    )


def _scalars(file):
    """(step, name, value) of an event file: length, checksum, event, checksum."""
    data, found = file.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + size])
        found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        data = data[16 + size :]
    return found


def test_tensorboard_has_each_figure_at_its_step(tmp_path):
    tracker = tracker_for("tensorboard", tmp_path, "run")
    tracker.add(_summary(3))
    tracker.add(_summary(6))
    tracker.close()
    (file,) = (tmp_path / "_state" / "tensorboard").iterdir()
    scalars = _scalars(file)
    assert (3, "requests/done", 3.0) in scalars
    assert (6, "acceptance/awe", 0.5) in scalars


def test_wandb_gets_one_run_that_is_resumed(tmp_path, monkeypatch):
    calls = []
    run = SimpleNamespace(
        log=lambda values, step: calls.append((step, values)), finish=lambda: calls.append("end")
    )

    def init(**options):
        calls.append(options)
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, __spec__="known"))
    tracker = tracker_for("wandb", tmp_path, "0123")
    tracker.add(_summary(3))
    tracker.close()
    options, (step, values), end = calls
    assert (options["id"], options["resume"]) == ("0123", "allow")
    assert step == 3
    assert values == dict(figures(_summary(3)))
    assert end == "end"


def test_a_library_that_is_missing_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"pip install .muse-batch\[wandb\]"):
        tracker_for("wandb", tmp_path, "run")
    tracker_for("none", tmp_path, "run").add(_summary(1))
