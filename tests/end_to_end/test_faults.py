"""Each fault brought about for real, on the real command with the null engine, and its promised ending."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from pipeline.generation.null_engine import BLIND, HANG, KILL, RAISE
from pipeline.storage.log import entries
from tests.support import drive

PLAIN = [f"a dog, number {n}" for n in range(24)]
FAULTS = ["--set", "null.faults=true"]


def _with(faults: dict[int, str]) -> list[str]:
    return [f"{prompt} {faults.get(n, '')}".strip() for n, prompt in enumerate(PLAIN)]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return drive.write_manifest(tmp_path_factory.mktemp("plain") / "manifest.parquet", PLAIN)


@pytest.fixture(scope="module")
def undisturbed(manifest, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = drive.run(manifest, out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    return out


def _copy(undisturbed: Path, tmp_path: Path) -> Path:
    """A run of its own that is not complete: published, but not yet indexed."""
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    run = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**run, "complete": False}))
    return out


def test_poison_fails_alone_and_for_any_number_of_workers(undisturbed, tmp_path):
    """Two requests that kill whoever touches them, one that raises and one that is judged by NaN, in three batches."""
    faults = {2: KILL, 13: KILL, 20: RAISE, 21: BLIND}
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", _with(faults))
    for name, workers in (("two", 2), ("one", 1)):
        done = drive.run(manifest, tmp_path / name, "--workers", workers, *FAULTS)
        assert done.returncode == 1, done.stderr
        assert "4 failed" in done.stdout
    rows = drive.rows(tmp_path / "two")
    reasons = {row["row"]: row["reason"] for row in rows if row["status"] == "failed"}
    killed = "killed its worker"
    raised = "RuntimeError: the null engine raised, as the prompt asks"
    assert reasons == {
        2: killed,
        13: killed,
        20: raised,
        21: "the judge gave a score that is no number",
    }
    for row, before in zip(rows, drive.rows(undisturbed), strict=True):
        if row["row"] not in reasons:
            assert (row["status"], row["judge"]) == (before["status"], before["judge"])
    assert drive.published(tmp_path / "one") == drive.published(tmp_path / "two")
    # The log tells of each death, which batch it was of, and why: three of it whole, one of the pair, three alone.
    ended = [entry for entry in entries(tmp_path / "two") if entry.get("event") == "ended"]
    assert Counter(entry["held"] for entry in ended) == {0: 7, 3: 7}
    assert all("died" in entry["cause"] for entry in ended)


@pytest.mark.slow
def test_a_whole_batch_of_poison_is_found_and_the_others_are_made(tmp_path):
    """What one row with a killing image asks, a request for each emotion. It takes 33 workers, the last ones in a row,
    with no other batch left to tell by."""
    manifest = drive.write_manifest(
        tmp_path / "manifest.parquet", [f"a dog, number {n} {KILL}" for n in range(8)] + PLAIN
    )
    done = drive.run(manifest, tmp_path / "out", "--workers", 1, "--batch-size", 8, *FAULTS)
    assert done.returncode == 1, done.stderr
    rows = drive.rows(tmp_path / "out")
    assert [row["row"] for row in rows if row["status"] == "failed"] == [*range(8)]
    assert [row["row"] for row in rows] == [*range(32)]


@pytest.mark.slow
def test_a_request_that_hangs_is_found_and_fails_alone(tmp_path):
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", _with({5: HANG})[:8])
    # The limit is for each request of a task, and has to cover what a busy machine needs.
    done = drive.run(
        manifest, tmp_path / "out", "--workers", 1, *FAULTS, "--set", "request_timeout_s=2"
    )
    assert done.returncode == 1, done.stderr
    reasons = {
        row["row"]: row["reason"]
        for row in drive.rows(tmp_path / "out")
        if row["status"] == "failed"
    }
    assert reasons == {5: "killed its worker"}


@pytest.mark.slow
def test_a_worker_that_is_stopped_is_replaced(manifest, undisturbed, tmp_path):
    """SIGSTOP: the process is there, and does nothing, not even die when it is asked to."""
    out = tmp_path / "out"
    with drive.started(
        manifest, out, "--workers", 1, "--set", "null.delay=0.3", "--set", "request_timeout_s=4"
    ) as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        (worker,) = drive.workers(going)
        worker.send_signal(signal.SIGSTOP)
        _, told = going.communicate(timeout=drive.PATIENCE)
    assert going.returncode == 0, told
    assert [row["judge"] for row in drive.rows(out)] == [
        row["judge"] for row in drive.rows(undisturbed)
    ]


def test_out_of_memory_is_met_with_smaller_pieces_and_told(undisturbed, manifest, tmp_path):
    out = tmp_path / "out"
    done = drive.run(manifest, out, "--batch-size", 8, "--set", "null.memory=2")
    assert done.returncode == 0, done.stderr
    assert "3 batch(es) were too large and were made in pieces of [2]" in done.stderr
    rows = drive.rows(out)
    assert {row["together"] for row in rows} == {2}
    assert [row["judge"] for row in rows] == [row["judge"] for row in drive.rows(undisturbed)]
    again = drive.run(
        manifest, tmp_path / "again", "--batch-size", 8, "--set", "null.memory=2", "--workers", 1
    )
    assert again.returncode == 0, again.stderr
    assert drive.published(tmp_path / "again") == drive.published(out)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_loaded_stops_the_run_with_the_cause(manifest, tmp_path, workers):
    """Sound to look at, and broken within: only a worker finds out."""
    model = tmp_path / "model"
    shutil.copytree("muse/mini/weights/guide", model)
    config = json.loads((model / "config.json").read_text())
    config["embedding_size"] += 8
    (model / "config.json").write_text(json.dumps(config))
    began = time.monotonic()
    done = drive.run(
        manifest, tmp_path / "out", "--engine", "muse", "--guide", model, "--workers", workers
    )
    assert done.returncode == 1
    assert "no worker could be started: " in done.stderr
    assert "size mismatch" in done.stderr or "mismatched" in done.stderr
    assert "The same command resumes the run" in done.stderr
    assert time.monotonic() - began < drive.MINUTE


@pytest.mark.slow
def test_workers_that_all_die_stop_the_run_and_it_resumes(manifest, undisturbed, tmp_path):
    """Every worker is killed as soon as it shows itself, until the run gives up."""
    out = tmp_path / "out"
    with drive.started(manifest, out, "--workers", 2, "--set", "null.delay=0.5") as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        while going.poll() is None:
            for worker in drive.workers(going):
                worker.kill()
            time.sleep(0.05)
        _, told = going.communicate(timeout=drive.PATIENCE)
    assert going.returncode == 1
    assert "stopped: " in told
    assert "The same command resumes the run" in told
    assert "Traceback" not in told
    kept = {path.name for path in drive.batch_files(out)}
    done = drive.run(manifest, out, "--set", "null.delay=0.5")
    assert done.returncode == 0, done.stderr
    assert kept
    assert [row["judge"] for row in drive.rows(out)] == [
        row["judge"] for row in drive.rows(undisturbed)
    ]


def test_the_second_driver_is_refused_and_a_dead_ones_place_is_taken(manifest, tmp_path):
    out = tmp_path / "out"
    slow = ["--workers", 1, "--set", "null.delay=0.5"]
    with drive.started(manifest, out, *slow) as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        second = drive.run(manifest, out, *slow)
        assert second.returncode == 2
        assert f"another driver is at work on {out} (process {going.pid} on " in second.stderr
        drive.kill_all(going)
    lease = out / "_state" / "lease.json"
    assert lease.exists()
    done = drive.run(manifest, out, *slow)
    assert done.returncode == 0, done.stderr
    assert not lease.exists()


def _interrupted(manifest, out, *signals: int) -> tuple[int, str]:
    with drive.started(manifest, out, "--workers", 2, "--set", "null.delay=0.5") as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        family = psutil.Process(going.pid).children(recursive=True)
        for number in signals:
            going.send_signal(number)
            time.sleep(0.05)
        _, told = going.communicate(timeout=drive.PATIENCE)
        _, left = psutil.wait_procs(family, timeout=30)
        assert left == []
    return going.returncode, told


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_signals_end_the_run_in_order_with_nothing_left_behind(
    manifest, undisturbed, tmp_path, signals
):
    code, told = _interrupted(manifest, tmp_path / "out", *signals)
    assert code == 130
    assert "Traceback" not in told
    done = drive.run(manifest, tmp_path / "out", "--set", "null.delay=0.5")
    assert done.returncode == 0, done.stderr
    assert [row["judge"] for row in drive.rows(tmp_path / "out")] == [
        row["judge"] for row in drive.rows(undisturbed)
    ]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of 512 KiB."""
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "muse-test", where], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def test_a_full_disk_is_told_and_the_run_resumes_once_there_is_room(
    manifest, undisturbed, small_disk
):
    out, ballast = small_disk / "out", small_disk / "ballast"
    ballast.write_bytes(bytes(470_000))
    full = drive.run(manifest, out, "--workers", 2)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "bytes were to be written to" in full.stderr
    assert str(out) in full.stderr
    assert "Traceback" not in full.stderr
    ballast.unlink()
    done = drive.run(manifest, out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert drive.published(out) == drive.published(undisturbed)


def test_an_output_that_is_read_only_is_told(manifest, undisturbed, small_disk):
    out = _copy(undisturbed, small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = drive.run(manifest, out)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert str(out) in done.stderr
    new = drive.run(manifest, small_disk / "new")
    assert new.returncode == 1
    assert "Read-only file system" in new.stderr
    assert "Traceback" not in done.stderr + new.stderr


def _remove(path: Path) -> None:
    path.unlink()


def _edit(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("shards/00001.tar", _remove, "shards/00001.tar: is missing"),
        ("shards/00001.tar", _empty, "shards/00001.tar: has 0 bytes where "),
        ("shards/00000.parquet", _remove, "shards/00000.parquet: is missing"),
        (
            "shards/00000.parquet",
            _edit,
            "shards/00000.parquet: its content is not what was committed",
        ),
        ("shards/00000.json", _remove, "shards/00000.json: is missing, and later shards are there"),
        ("shards/00000.json", _empty, "00000.json is damaged"),
        (
            "shards/00001.json",
            lambda path: path.write_text("{}"),
            "00001.json is damaged: it does not",
        ),
        ("run.json", _edit, "run.json is damaged"),
        (
            "run.json",
            lambda path: path.write_text("[]"),
            "run.json is damaged: it does not describe a run",
        ),
    ],
)
def test_damage_is_refused_with_the_files_name_by_run_and_verify(
    manifest, undisturbed, tmp_path, file, damage, message
):
    out = _copy(undisturbed, tmp_path)
    damage(out / file)
    done = drive.run(manifest, out)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    told = subprocess.run(
        [*drive.run_arguments(manifest, out)[:3], "verify", str(out)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode != 0
    assert Path(file).name in told.stderr
    assert "Traceback" not in told.stderr + done.stderr


def test_damaged_and_foreign_batch_files_do_not_matter(manifest, undisturbed, tmp_path):
    """Killed midway; then one finished batch is cut short, and strangers leave their files."""
    out = tmp_path / "out"
    with drive.started(manifest, out, "--workers", 1) as going:
        drive.wait_until(lambda: len(drive.batch_files(out)) > 0, going)
        drive.kill_all(going)
    state = out / "_state" / "batches"
    for path in drive.batch_files(out):
        path.write_bytes(path.read_bytes()[:100])
    (state / "notes-of-mine.parquet").write_bytes(b"hello")
    (state / "00000002-0123456789abcdef.parquet").write_bytes(b"not parquet")
    (out / "shards").mkdir(exist_ok=True)
    (out / "shards" / "stray.txt").write_text("hello")
    done = drive.run(manifest, out)
    assert done.returncode == 0, done.stderr
    (out / "shards" / "stray.txt").unlink()
    assert drive.published(out) == drive.published(undisturbed)


def test_harmless_differences_are_adopted_and_others_never(manifest, undisturbed, tmp_path):
    out = _copy(undisturbed, tmp_path)
    run = json.loads((out / "run.json").read_text())
    run["parts"]["versions"]["python"] = "3.11.0"
    (out / "run.json").write_text(json.dumps({**run, "fingerprint": "another"}))
    refused = drive.run(manifest, out)
    assert refused.returncode == 2
    assert 'versions.python: "3.11.0" -> ' in refused.stderr
    assert "none of it can change the images: --adopt continues the run" in refused.stderr
    harmful = drive.run(manifest, out, "--adopt", "--seed", 3)
    assert harmful.returncode == 2
    assert "config.seed: 0 -> 3" in harmful.stderr
    assert "versions.python" not in harmful.stderr
    adopted = drive.run(manifest, out, "--adopt")
    assert adopted.returncode == 0, adopted.stderr
    assert drive.published(out) == drive.published(undisturbed)
    (line,) = json.loads((out / "run.json").read_text())["adopted"]
    assert line.startswith('versions.python: "3.11.0" -> ')


def test_a_manifest_that_changed_is_refused_with_the_difference(manifest, undisturbed, tmp_path):
    out = _copy(undisturbed, tmp_path)
    other = drive.write_manifest(tmp_path / "manifest.parquet", [*PLAIN[:-1], "a cat"])
    done = drive.run(other, out, "--adopt")
    assert done.returncode == 2
    assert "manifest.sha256: " in done.stderr


def test_a_quota_that_is_used_up_is_told_and_the_run_resumes_once_there_is_more(
    manifest, undisturbed, tmp_path
):
    """No file system with quotas can be had here: every process of the run is told of one by its `fsync`, as NFS does
    it, and all else is real."""
    patches, out = tmp_path / "patches", tmp_path / "out"
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(
        "import errno, os, subprocess\n"
        "real = os.fsync\n"
        "def fsync(file):\n"
        f"    held = subprocess.run(['du', '--bytes', '--summarize', {str(out)!r}], capture_output=True).stdout\n"
        "    if int(held.split()[0]) > 60_000:\n"
        "        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))\n"
        "    real(file)\n"
        "os.fsync = fsync\n"
    )
    path = os.pathsep.join([str(patches), os.getcwd()])
    full = drive.run(manifest, out, "--workers", 2, env={**drive.environment(), "PYTHONPATH": path})
    assert full.returncode == 1
    assert "Disk quota exceeded" in full.stderr
    assert "bytes were to be written to" in full.stderr
    assert str(out) in full.stderr
    assert "The same command resumes the run" in full.stderr
    assert "Traceback" not in full.stderr
    # What was made before is kept: as batches, or as the first shard that they went into.
    assert [*drive.batch_files(out), *(out / "shards").glob("00000.json")]
    done = drive.run(manifest, out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert drive.published(out) == drive.published(undisturbed)


@pytest.mark.slow
def test_clocks_that_jump_do_not_matter(manifest, undisturbed, tmp_path):
    """Every process of the run sees a wall clock that leaps to and fro by days."""
    patches = tmp_path / "patches"
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(
        "import itertools, time\n"
        "real, leaps = time.time, itertools.cycle([0, 1e6, -1e6, 3e5])\n"
        "time.time = lambda: real() + next(leaps)\n"
    )
    path = os.pathsep.join([str(patches), os.getcwd()])
    done = drive.run(manifest, tmp_path / "out", env={**drive.environment(), "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert drive.published(tmp_path / "out") == drive.published(undisturbed)
