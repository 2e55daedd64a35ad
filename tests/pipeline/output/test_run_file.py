"""The run file: what it takes for one, and which outputs a run may use."""

import json
import random
from dataclasses import replace

import pytest

from pipeline.errors import UserError
from pipeline.output.run_file import RUN_FILE, RunFile, examine_output, read_run, write_run
from pipeline.planning.fingerprint import fingerprint
from pipeline.storage.files import temporary_name

PARTS = {
    "manifest": {"sha256": "m"},
    "config": {"seed": 0, "guide": "here"},
    "models": {"guide": {"name": "here", "sha256": "g"}},
    "versions": {"python": "3.11.0"},
}

CONFIG = {
    "seed": 0,
    "image_format": "png",
    "taxonomy": {"name": "two", "labels": ["awe", "fear"]},
    "min_confidence": 0.5,
    "keep_rejected": False,
    **dict.fromkeys(("batch_size", "shard_size"), 1),
    **dict.fromkeys(("limit", "quota"), 0),
    **{table: {} for table in ("filters", "images", "method")},
    "emotions": [],
}
COUNTS = {
    **dict.fromkeys(("requests", "accepted"), 3),
    **dict.fromkeys(("rejected", "failed"), 0),
    **{table: {} for table in ("emotions", "mixtures", "tasks")},
}


def _run(**parts) -> RunFile:
    parts = {**PARTS, **parts}
    return RunFile(
        fingerprint=fingerprint(parts),
        parts=parts,
        config=CONFIG,
        same_judge=False,
        manifest="m.parquet",
        rows=3,
        requests=3,
    )


def test_it_comes_back_as_it_was_written(tmp_path):
    runs = [
        _run(),
        _run().finished(COUNTS, {"metadata.parquet": "0"}, "1"),
        _run().finished(COUNTS, {}, "").reopened(),
        replace(_run(), retry_strategy={"awe": "deep"}, adopted=("versions.python: 1 -> 2",)),
    ]
    for run in runs:
        write_run(tmp_path, run)
        assert read_run(tmp_path) == run


def test_a_folder_without_one_is_no_output_of_a_run(tmp_path):
    with pytest.raises(UserError, match=r"is not the output of a run: it has no run\.json"):
        read_run(tmp_path)


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
    write_run(tmp_path, _run())
    file = tmp_path / RUN_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(UserError, match=r"run\.json is damaged: .*restore it from a copy"):
        read_run(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_byte_is_reported_as_damage(tmp_path, seed):
    """One bit of every byte in turn."""
    write_run(tmp_path, _run().finished({"accepted": 3}, {"README.md": "0"}, "1"))
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


def test_an_output_may_be_new_empty_or_barely_begun(tmp_path):
    assert examine_output(tmp_path / "new", _run()) == _run()
    assert examine_output(tmp_path, _run()) == _run()
    (tmp_path / "_state").mkdir()
    (tmp_path / temporary_name(RUN_FILE)).write_bytes(b"{")
    assert examine_output(tmp_path, _run()) == _run()
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UserError, match="exists and is not a muse-batch run"):
        examine_output(tmp_path, _run())
    with pytest.raises(UserError, match="exists and is not a muse-batch run"):
        examine_output(tmp_path / "mine.txt", _run())


BATCH, SHARD = "_state/batches/0/000000000.parquet", "shards/00000000.tar"


def _write_begun_run(output, made=BATCH):
    write_run(output, _run())
    (output / made).parent.mkdir(parents=True)
    (output / made).touch()


def test_a_run_that_has_made_nothing_does_not_bind_the_next_one(tmp_path):
    """As one that was refused because there is no GPU."""
    write_run(tmp_path, _run())
    (tmp_path / "_state" / "batches" / "0").mkdir(parents=True)
    (tmp_path / "_state" / "log.jsonl").touch()
    (tmp_path / temporary_name(RUN_FILE)).write_bytes(b"{")
    other = _run(config={"seed": 1, "guide": "here"})
    assert examine_output(tmp_path, other) == other


@pytest.mark.parametrize("made", [BATCH, SHARD])
def test_a_run_under_other_settings_is_refused_with_the_difference(tmp_path, made):
    _write_begun_run(tmp_path, made)
    other = _run(config={"seed": 1, "guide": "here"})
    with pytest.raises(UserError, match=r"config\.seed: 0 -> 1") as caught:
        examine_output(tmp_path, other)
    assert "--adopt" not in str(caught.value)
    with pytest.raises(UserError, match="--adopt is for differences that cannot change"):
        examine_output(tmp_path, other, adopt=True)


def test_a_harmless_difference_is_adopted_if_asked_for(tmp_path):
    _write_begun_run(tmp_path)
    other = _run(versions={"python": "3.11.9"})
    with pytest.raises(UserError, match="--adopt continues the run"):
        examine_output(tmp_path, other)
    adopted = examine_output(tmp_path, other, adopt=True)
    line = 'versions.python: "3.11.0" -> "3.11.9"'
    assert adopted == replace(_run(), adopted=(line,))
