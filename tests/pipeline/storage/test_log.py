"""The log of a run, whole and damaged."""

import random

import pytest

from pipeline.storage.log import Log, entries, read_log, reports


@pytest.fixture
def log_file(tmp_path):
    """A log of three lines."""
    with Log(tmp_path) as log:
        log.add({"event": "start", "host": "é\u2028b"})
        log.add({"batch": 0, "seconds": 0.1})
        log.add({"batch": 1, "seconds": 1e-9})
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
        log.add({"batch": 2})
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
