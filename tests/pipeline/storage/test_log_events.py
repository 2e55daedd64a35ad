"""Lines of a log with a right checksum and wrong or absent fields: no command trips over them."""

import json

import pytest
from click.testing import Result

from pipeline.storage.log import Log, entries, read_log
from pipeline.storage.log_events import is_valid
from tests.support import drive

BATCH = {"at": 1.0, "batch": 0, "statuses": {"accepted": 4}, "seconds": 2.0, "host": "a", "pid": 1}
READY = {"at": 1.0, "event": "ready", "pid": 1, "imports": 2.0, "models": 3.0, "device": "cpu"}
ENDED = {"at": 1.0, "event": "ended", "pid": None, "cause": "killed"}
START = {"at": 1.0, "event": "start", "workers": 2, "connected": 0.5}


def _without(entry, name):
    return {key: value for key, value in entry.items() if key != name}


FORGED = [
    {},
    {"at": 1.0},
    {"at": 1.0, "batch": 1},
    {"at": 1.0, "event": {}},
    {"at": 1.0, "event": ["start"]},
    {"at": None, "event": "start"},
    {"at": "now", "event": "unknown"},
    {"at": float("nan"), "event": "unknown"},
    {"at": float("inf"), "event": "unknown"},
    {"at": 1e300, "event": "unknown"},
    {**BATCH, "batch": "0"},
    {**BATCH, "batch": -1},
    {**BATCH, "batch": [1]},
    {**BATCH, "statuses": None},
    {**BATCH, "statuses": 3},
    {**BATCH, "statuses": {"accepted": "many"}},
    {**BATCH, "statuses": {"accepted": -4}},
    {**BATCH, "statuses": {"accepted": True}},
    {**BATCH, "statuses": {"accepted": 10**400}},
    {**BATCH, "seconds": None},
    {**BATCH, "seconds": "2"},
    {**BATCH, "seconds": -2.0},
    {**BATCH, "seconds": float("nan")},
    {**BATCH, "asked": ["awe"]},
    {**BATCH, "asked": {"awe": 0.5}},
    {**BATCH, "failures": "none"},
    {**BATCH, "host": {}},
    {**BATCH, "pid": []},
    {**BATCH, "pid": None},
    {**START, "workers": "two"},
    {**START, "workers": -2},
    {**START, "connected": None},
    {**READY, "device": None},
    {**READY, "imports": "1"},
    {**ENDED, "cause": 3},
    {**ENDED, "pid": {}},
    _without(BATCH, "seconds"),
    _without(READY, "device"),
    _without(READY, "models"),
    _without(ENDED, "cause"),
    _without(START, "at"),
]


def _command(*arguments: object) -> Result:
    done = drive.command(*arguments)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("entry", FORGED, ids=repr)
def test_a_line_without_what_its_kind_has_is_damaged(entry):
    assert not is_valid(entry)


@pytest.mark.parametrize(
    "entry",
    [BATCH, READY, ENDED, START, {"at": 1.0, "event": "of later"}, {**BATCH, "of later": 1}],
    ids=repr,
)
def test_what_is_written_today_and_may_be_later_is_read(entry):
    assert is_valid(entry)


def test_all_that_a_run_writes_is_valid(make_corpus):
    out = make_corpus(batch_size=8)
    assert read_log(out).damaged == 0
    assert {entry.get("event") for entry in entries(out)} >= {"start", "placed", "ready", None}


def test_no_command_trips_over_forged_lines(tmp_path):
    manifest = drive.write_manifest(tmp_path / "m.parquet", ["a dog"] * 8)
    assert drive.run(manifest, tmp_path / "out", "--limit", 4).returncode == 0
    usual = json.loads(_command("status", tmp_path / "out", "--json").stdout)
    with Log(tmp_path / "out") as log:
        for entry in FORGED:
            log.add({"at": None, **entry})
    status = json.loads(_command("status", tmp_path / "out", "--json").stdout)
    assert status == {**usual, "damaged_log_lines": len(FORGED)}
    assert _command("plan", manifest, "--engine", "null", "--from", tmp_path / "out", "--json")
    assert _command("verify", tmp_path / "out").returncode == 0
    assert _command("report", tmp_path / "out").returncode == 0
    assert _command("status", tmp_path / "out", "--watch").returncode == 0
    assert drive.run(manifest, tmp_path / "out").returncode == 0
