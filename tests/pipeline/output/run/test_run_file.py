"""The run file: what it takes for one, and which outputs a run may use."""

import json
import random
from dataclasses import replace

import pytest

from pipeline.errors import UserError
from pipeline.output.run.run_file import RUN_FILE, read_run, write_run
from tests.support.corpora import small_run

COUNTS = {
    **dict.fromkeys(("requests", "accepted"), 3),
    **dict.fromkeys(("rejected", "failed"), 0),
    **{table: {} for table in ("emotions", "mixtures", "tasks")},
}


def test_it_comes_back_as_it_was_written(tmp_path):
    runs = [
        small_run(),
        small_run().finished(COUNTS, {"metadata.parquet": "0"}, "1"),
        small_run().finished(COUNTS, {}, "").reopened(),
        replace(small_run(), adopted=("versions.python: 1 -> 2",)),
    ]
    for run in runs:
        write_run(tmp_path, run)
        assert read_run(tmp_path) == run


def test_a_folder_without_one_is_no_output_of_a_run(tmp_path):
    with pytest.raises(UserError, match=r"is not the output of a run: it has no run\.json"):
        read_run(tmp_path)


def test_a_path_that_leads_to_no_output_is_refused_with_the_one_that_is_meant(tmp_path):
    out = tmp_path / "trial"
    (out / "shards").mkdir(parents=True)
    (out / "report.html").touch()
    write_run(out, small_run())
    for name, message in (
        ("tria", f"{tmp_path}/tria does not exist; did you mean {out}?"),
        ("nothing", f"{tmp_path}/nothing does not exist"),
        ("no/folder", f"{tmp_path}/no/folder does not exist"),
        ("trial/report.html", f"{out}/report.html lies in the output of a run; give its folder"),
        ("trial/shards", f"{out}/shards lies in the output of a run; give its folder, {out}"),
    ):
        with pytest.raises(UserError) as refused:
            read_run(tmp_path / name)
        assert str(refused.value).startswith(message)
    assert "mean" not in str(refused.value)


def test_a_folder_below_another_programs_run_json_does_not_lie_in_a_run(tmp_path):
    (tmp_path / "run.json").write_text('{"id": 7}')
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty is not the output of a run: it has no run\.json"):
        read_run(tmp_path / "empty")


@pytest.mark.parametrize(
    "change",
    [
        {"requests": "3"},
        {"requests": True},
        {"parts": []},
        {"complete": 1},
        {"complete": True},
        {"counts": {"accepted": 1}},
        {"adopted": "all"},
        {"fingerprint": None},
    ],
)
def test_a_wrong_type_is_reported_as_damage(tmp_path, change):
    write_run(tmp_path, small_run())
    file = tmp_path / RUN_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(UserError, match=r"run\.json is damaged: .*restore it from a copy"):
        read_run(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_byte_is_reported_as_damage(tmp_path, seed):
    """One bit of every byte in turn."""
    write_run(tmp_path, small_run().finished({"accepted": 3}, {"README.md": "0"}, "1"))
    rng, file = random.Random(seed), tmp_path / RUN_FILE
    data = file.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        file.write_bytes(changed)
        with pytest.raises(UserError, match=r"run\.json is damaged"):
            read_run(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_a_table_is_reported_as_damage(tmp_path, content):
    (tmp_path / RUN_FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        read_run(tmp_path)
