"""What a process does is measured while it does it, and no longer."""

import os

from jobs.scale.measure import MIB, measured


def test_time_memory_and_reads_are_measured(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "large.bin").write_bytes(os.urandom(4 * MIB))
    with measured({"command": "test"}, tmp_path) as figures:
        os.listdir(tmp_path)
        held = [path.read_bytes() for path in (tmp_path / "sub").iterdir()]
    os.listdir(tmp_path)
    assert len(held[0]) == 4 * MIB
    assert figures["command"] == "test"
    assert figures["listings"] == 2
    assert figures["opened"] == {"sub/*.bin": 1}
    assert figures["mib_read"] >= 4
    assert 0 < figures["mib_at_start"] <= figures["mib_peak"]
