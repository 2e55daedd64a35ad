"""Each fault is brought about for real on a run with the null engine; it ends as promised."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from pipeline.generation.engines.null_engine import HANG, KILL, NAN, RAISE
from pipeline.storage.log import entries
from tests.support import drive

PLAIN = [f"a dog, number {n}" for n in range(24)]
FAULTS = {"prompts": True}
SLOW = {"delay": 0.5}

pytestmark = pytest.mark.faults


def _with(faults: dict[int, str]) -> list[str]:
    return [f"{prompt} {faults.get(n, '')}".strip() for n, prompt in enumerate(PLAIN)]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return drive.write_manifest(tmp_path_factory.mktemp("plain") / "manifest.parquet", PLAIN)


@pytest.fixture(scope="module")
def undisturbed(manifest, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = drive.run(manifest, out)
    assert done.returncode == 0, done.stderr
    return out


def test_poison_fails_alone_and_for_any_number_of_workers(undisturbed, tmp_path):
    """Two requests kill whoever touches them, one raises, one is judged by NaN: three batches."""
    faults = {2: KILL, 13: KILL, 20: RAISE, 21: NAN}
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", _with(faults))
    for name, workers in (("two", 2), ("one", 1)):
        done = drive.run_process(manifest, tmp_path / name, "--workers", workers, faults=FAULTS)
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
        21: "the judge gave a score that is not a finite number",
    }
    for row, before in zip(rows, drive.rows(undisturbed), strict=True):
        if row["row"] not in reasons:
            assert (row["status"], row["judge_confidence"]) == (
                before["status"],
                before["judge_confidence"],
            )
    assert drive.published(tmp_path / "one") == drive.published(tmp_path / "two")
    # The log tells of each death which batch it was of, and why.
    ended = [entry for entry in entries(tmp_path / "two") if entry.get("event") == "ended"]
    assert {entry["held"] for entry in ended} == {0, 3}
    assert all("died" in entry["cause"] for entry in ended)


def test_a_whole_batch_of_poison_is_found_and_the_others_are_made(tmp_path):
    """As of one row whose image kills, a request per emotion. No other batch is left then."""
    manifest = drive.write_manifest(
        tmp_path / "manifest.parquet", [f"a dog, number {n} {KILL}" for n in range(8)] + PLAIN
    )
    done = drive.run_process(
        manifest, tmp_path / "out", "--workers", 1, "--batch-size", 8, faults=FAULTS
    )
    assert done.returncode == 1, done.stderr
    rows = drive.rows(tmp_path / "out")
    assert [row["row"] for row in rows if row["status"] == "failed"] == [*range(8)]
    assert [row["row"] for row in rows] == [*range(32)]


def test_a_request_that_hangs_is_found_and_fails_alone(tmp_path):
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", _with({5: HANG})[:8])
    # The limit is for each request of a task, and has to cover what a busy machine needs.
    done = drive.run_process(
        manifest, tmp_path / "out", "--workers", 1, "--set", "request_timeout_s=2", faults=FAULTS
    )
    assert done.returncode == 1, done.stderr
    reasons = {
        row["row"]: row["reason"]
        for row in drive.rows(tmp_path / "out")
        if row["status"] == "failed"
    }
    assert reasons == {5: "killed its worker"}


def test_a_worker_that_is_stopped_is_replaced(manifest, undisturbed, tmp_path):
    """SIGSTOP: the process exists but does nothing, and ignores SIGTERM."""
    out = tmp_path / "out"
    with drive.started(
        manifest, out, "--workers", 1, "--set", "request_timeout_s=4", faults={"delay": 0.3}
    ) as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        (worker,) = drive.workers(going)
        worker.send_signal(signal.SIGSTOP)
        _, stderr = going.communicate(timeout=drive.TIMEOUT_S)
    assert going.returncode == 0, stderr
    assert [row["judge_confidence"] for row in drive.rows(out)] == [
        row["judge_confidence"] for row in drive.rows(undisturbed)
    ]


def test_workers_that_all_die_stop_the_run_and_it_resumes(manifest, undisturbed, tmp_path):
    """Every worker is killed as soon as it shows itself, until the run gives up."""
    out = tmp_path / "out"
    with drive.started(manifest, out, "--workers", 2, faults=SLOW) as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        while going.poll() is None:
            for worker in drive.workers(going):
                worker.kill()
            time.sleep(0.05)
        _, stderr = going.communicate(timeout=drive.TIMEOUT_S)
    assert going.returncode == 1
    assert "stopped: " in stderr
    assert "The same command resumes the run" in stderr
    assert "Traceback" not in stderr
    kept = {path.name for path in drive.batch_files(out)}
    done = drive.run(manifest, out, faults=SLOW)
    assert done.returncode == 0, done.stderr
    assert kept
    assert [row["judge_confidence"] for row in drive.rows(out)] == [
        row["judge_confidence"] for row in drive.rows(undisturbed)
    ]


def test_the_second_driver_is_refused_and_a_dead_ones_place_is_taken(manifest, tmp_path):
    out = tmp_path / "out"
    with drive.started(manifest, out, "--workers", 1, faults=SLOW) as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        second = drive.run_process(manifest, out, "--workers", 1, faults=SLOW)
        assert second.returncode == 2
        assert f"another driver is writing {out} (process {going.pid} on " in second.stderr
        drive.kill_all(going)
    lease = out / "_state" / "lease.json"
    assert lease.exists()
    done = drive.run(manifest, out, "--workers", 1, faults=SLOW)
    assert done.returncode == 0, done.stderr
    assert not lease.exists()


def _interrupted(manifest, out, *signals: int) -> tuple[int, str]:
    with drive.started(manifest, out, "--workers", 2, faults=SLOW) as going:
        drive.wait_until(lambda: drive.batch_files(out), going)
        family = psutil.Process(going.pid).children(recursive=True)
        for number in signals:
            going.send_signal(number)
            time.sleep(0.05)
        _, stderr = going.communicate(timeout=drive.TIMEOUT_S)
        _, left = psutil.wait_procs(family, timeout=30)
        assert left == []
    return going.returncode, stderr


@pytest.mark.parametrize(
    "signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT], [signal.SIGHUP]]
)
def test_signals_end_the_run_in_order_with_nothing_left_behind(
    manifest, undisturbed, tmp_path, signals
):
    # Tests that are started by nohup would hand on that this signal is ignored.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        code, stderr = _interrupted(manifest, tmp_path / "out", *signals)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert code == 130
    assert "Traceback" not in stderr
    done = drive.run(manifest, tmp_path / "out", faults=SLOW)
    assert done.returncode == 0, done.stderr
    assert [row["judge_confidence"] for row in drive.rows(tmp_path / "out")] == [
        row["judge_confidence"] for row in drive.rows(undisturbed)
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


def test_a_full_disk_is_reported_and_the_run_resumes_once_there_is_room(
    manifest, undisturbed, small_disk
):
    out, ballast = small_disk / "out", small_disk / "ballast"
    ballast.write_bytes(bytes(470_000))
    full = drive.run(manifest, out)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "bytes were to be written to" in full.stderr
    assert str(out) in full.stderr
    assert "Traceback" not in full.stderr
    ballast.unlink()
    done = drive.run(manifest, out)
    assert done.returncode == 0, done.stderr
    assert drive.published(out) == drive.published(undisturbed)


def test_an_output_that_is_read_only_is_reported(manifest, undisturbed, small_disk):
    out = drive.copy_unfinished(undisturbed, small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = drive.run(manifest, out)
    assert done.returncode == 2
    assert f"{out} cannot be written (Read-only file system)" in done.stderr
    new = drive.run(manifest, small_disk / "new")
    assert new.returncode == 2
    assert "Read-only file system" in new.stderr
    assert "resumes" not in done.stderr + new.stderr
    assert "Traceback" not in done.stderr + new.stderr


def test_a_quota_that_is_used_up_is_reported_and_the_run_resumes_once_there_is_more(
    manifest, undisturbed, tmp_path
):
    """`fsync` reports an exceeded quota, as on NFS, once a batch is finished; all else is real."""
    patches, out = tmp_path / "patches", tmp_path / "out"
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(
        "import errno, os, pathlib\n"
        f"batches = pathlib.Path({str(out / '_state' / 'batches')!r})\n"
        "real = os.fsync\n"
        "def fsync(file):\n"
        "    if any(batches.glob('*/[0-9]*.parquet')):\n"
        "        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))\n"
        "    real(file)\n"
        "os.fsync = fsync\n"
    )
    path = os.pathsep.join([str(patches), os.getcwd()])
    full = drive.run_process(
        manifest, out, "--workers", 2, env={**drive.environment(), "PYTHONPATH": path}
    )
    assert full.returncode == 1
    assert "Disk quota exceeded" in full.stderr
    # By a worker that writes a batch, or by the driver that writes a shard of two.
    assert re.search(r"bytes were (to be )?written to", full.stderr)
    assert str(out) in full.stderr
    assert "The same command resumes the run" in full.stderr
    assert "Traceback" not in full.stderr
    # What was made before is kept, and there is no shard of it, which would need `fsync`.
    assert drive.batch_files(out)
    assert not [*(out / "shards").glob("*.json")]
    done = drive.run(manifest, out)
    assert done.returncode == 0, done.stderr
    assert drive.published(out) == drive.published(undisturbed)


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
    done = drive.run_process(
        manifest, tmp_path / "out", env={**drive.environment(), "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    assert drive.published(tmp_path / "out") == drive.published(undisturbed)
