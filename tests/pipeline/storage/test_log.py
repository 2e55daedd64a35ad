"""The log of a run, whole and damaged."""

import os
import random

import pytest

from pipeline.errors import UserError
from pipeline.storage.log import Log, LogReader, entries, read_log, reports
from pipeline.storage.remote import Remote


def _batch(number, seconds=1.0):
    return {"batch": number, "statuses": {"accepted": 4}, "seconds": seconds}


@pytest.fixture
def log_file(tmp_path):
    """A log of three lines."""
    with Log(tmp_path) as log:
        log.add({"event": "start", "host": "é\u2028b"})
        log.add(_batch(0, 0.1))
        log.add(_batch(1, 1e-9))
    return tmp_path / "_state" / "log.jsonl"


def test_lines_come_back_in_order(tmp_path, log_file):
    content = read_log(tmp_path)
    assert content.damaged == 0
    assert [entry.get("batch") for entry in content.entries] == [None, 0, 1]
    assert [report["seconds"] for report in reports(tmp_path)] == [0.1, 1e-9]
    assert content.entries[0]["host"] == "é\u2028b"


def test_there_may_be_no_log(tmp_path):
    assert list(entries(tmp_path)) == []


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_line_that_a_crash_cut_off_does_not_swallow_the_next(tmp_path, log_file, cut):
    log_file.write_bytes(log_file.read_bytes()[:-cut])
    with Log(tmp_path) as log:
        log.add(_batch(2))
    content = read_log(tmp_path)
    # Without its newline alone, the line is still whole.
    whole = [0, 1, 2] if cut == 1 else [0, 2]
    assert [entry["batch"] for entry in content.entries if "batch" in entry] == whole
    assert content.damaged == (cut > 1)


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_byte_costs_its_own_line_and_is_counted(tmp_path, log_file, seed):
    """One bit of any byte but the newlines, which separate the lines."""
    rng, data = random.Random(seed), log_file.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        log_file.write_bytes(changed)
        content = read_log(tmp_path)
        assert content.damaged >= 1
        assert len(content.entries) >= (2 if data[place] != 10 else 1)


def test_two_damaged_lines_of_no_text_are_passed_over(tmp_path, log_file):
    with log_file.open("ab") as handle:
        handle.write(b"\xff\xfe\n[1]\n")
    assert read_log(tmp_path).damaged == 2
    assert len(read_log(tmp_path).entries) == 3


def test_what_was_appended_is_read_alone(tmp_path, log_file):
    reader = LogReader(tmp_path)
    assert len(list(reader.entries())) == 3
    whole = log_file.read_bytes()
    with Log(tmp_path) as log:
        log.add(_batch(2))
    # What was read before may be gone: it is not read again.
    log_file.write_bytes(b"x" * len(whole) + log_file.read_bytes()[len(whole) :])
    assert [entry["batch"] for entry in reader.entries()] == [2]
    assert (list(reader.entries()), reader.damaged) == ([], 0)


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path, log_file):
    whole = log_file.read_bytes()
    log_file.write_bytes(whole[:-20])
    reader = LogReader(tmp_path)
    assert (len(list(reader.entries())), reader.damaged) == (2, 1)
    log_file.write_bytes(whole)
    assert (len(list(reader.entries())), reader.damaged) == (1, 0)


def test_a_log_that_is_another_one_is_read_from_its_start(tmp_path, log_file):
    reader = LogReader(tmp_path)
    list(reader.entries())
    assert not reader.was_replaced()
    log_file.unlink()
    with Log(tmp_path) as log:
        log.add(_batch(7))
    assert reader.was_replaced()
    assert [entry["batch"] for entry in reader.entries()] == [7]


def test_a_pipe_is_refused_and_not_waited_for(tmp_path, log_file):
    log_file.unlink()
    os.mkfifo(log_file)
    with pytest.raises(UserError, match=r"log\.jsonl is a pipe, not a regular file; remove it"):
        read_log(tmp_path)
    with pytest.raises(UserError, match="is a pipe"):
        Log(tmp_path)


@pytest.mark.parametrize("url", [None, "memory://log/out"])
def test_nothing_is_written_once_that_is_forbidden(tmp_path, url):
    """Lines are told all the same; on an object store, those that wait are dropped."""
    output = tmp_path if url is None else Remote(url)
    allowed, told = [True], []
    with Log(output) as before:
        before.add(_batch(0))
    with Log(output, told.append, lambda: allowed[0]) as log:
        log.add(_batch(1))
        allowed[0] = False
        log.add(_batch(2))
    assert [entry["batch"] for entry in told] == [1, 2]
    kept = [0, 1] if url is None else [0]
    assert [entry["batch"] for entry in entries(output)] == kept
