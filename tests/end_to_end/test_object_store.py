"""Manifest, image and output on a server that speaks S3, with seeded faults on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import RunStopped
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage import lease
from pipeline.storage.files import location
from tests.support import drive
from tests.support.drive import IMAGES
from tests.support.local_runs import run_locally

ROWS = [
    *(
        {"prompt": f"a {who} on a beach", "emotion": ["awe", "fear", "anger"]}
        for who in ("dog", "cat", "horse")
    ),
    {"prompt": "a boat by a pond", "image": "railroad.png", "emotion": ["awe", "fear", "sadness"]},
]
FAULTY = {"500": 0.03, "503": 0.05, "cut upload": 0.03, "cut download": 0.03}
SLOW = FAULTY | {"delay": 0.02}
SIZES = ["--engine", "null", "--batch-size", 3, "--shard-size", 4, "--executor", "local"]
SIZES += ["--set", "report=false"]


@pytest.fixture
def manifests(tmp_path, s3):
    """The same manifest and image on the disk and in the bucket."""
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "manifest.parquet")
    (tmp_path / "railroad.png").write_bytes((IMAGES / "railroad.png").read_bytes())
    for name in ("manifest.parquet", "railroad.png"):
        s3.bucket.put_object(Key=f"in/{name}", Body=(tmp_path / name).read_bytes())
    return tmp_path / "manifest.parquet", "s3://corpora/in/manifest.parquet"


def _objects(s3) -> dict[str, bytes]:
    """What stands where `drive.published` finds its files on a disk."""
    objects = {
        item.key.removeprefix("out/"): item for item in s3.bucket.objects.filter(Prefix="out/")
    }
    wanted = {
        key: item
        for key, item in objects.items()
        if key.startswith("shards/") or key == "metadata.parquet"
    }
    return {key.removeprefix("shards/"): item.get()["Body"].read() for key, item in wanted.items()}


def test_resumed_and_verified_it_is_what_a_disk_holds(manifests, s3, tmp_path, monkeypatch):
    """The store stays away from the third batch on; faults come and go before and afterwards."""
    local, there = manifests
    done = drive.command("run", local, "--output", tmp_path / "out", *SIZES)
    assert done.returncode == 0, done.stderr
    s3.rates = FAULTY
    # The lease of the run that could not remove it is not renewed.
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(lease, "WATCH_SECONDS", 1.0)

    def stay_away(task):
        if task.batch.number == 2:
            s3.rates = {"503": 1.0}

    output, executor = location("s3://corpora/out", 0.3), LocalExecutor(before_task=stay_away)
    settings = {"batch_size": 3, "shard_size": 4, "emotions": (), "store_timeout_s": 0.3}
    with pytest.raises(RunStopped, match="gave up after"):
        run_locally(there, output, executor, **settings)
    s3.rates = FAULTY
    _resume_and_compare(s3, there, tmp_path / "out")


def _resume_and_compare(s3, manifest: str, expected: Path) -> None:
    """The same command ends what is in the bucket, to what is on the disk, without the secret."""
    again = drive.command("run", manifest, "--output", "s3://corpora/out", *SIZES)
    assert again.returncode == 0, again.stderr
    assert _objects(s3) == drive.published(expected)
    assert sum(s3.counts.values()) > 5
    verified = drive.command("verify", "s3://corpora/out")
    assert verified.returncode == 0, verified.stderr
    state = json.loads(drive.command("status", "s3://corpora/out", "--json").stdout)
    assert state["complete"]
    assert state["done"] == state["requests"] == 12
    for item in s3.bucket.objects.all():
        body = item.get()["Body"].read()
        assert b"very-secret-key" not in body
        assert b"AKIDTESTING" not in body


@pytest.mark.faults
def test_killed_resumed_and_read_back_it_is_what_a_disk_holds(manifests, s3, tmp_path):
    local, there = manifests
    done = drive.command("run", local, "--output", tmp_path / "out", *SIZES)
    assert done.returncode == 0, done.stderr
    s3.rates = SLOW
    command = ["run", there, "--output", "s3://corpora/out", *SIZES]
    started = [sys.executable, "-m", "pipeline", *map(str, command)]
    with subprocess.Popen(started, start_new_session=True) as process:
        deadline = time.monotonic() + 300
        while not list(s3.bucket.objects.filter(Prefix="out/_state/batches/")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    _resume_and_compare(s3, there, tmp_path / "out")
    s3.rates = {}
    assert _keys_by_webdataset(s3) == [
        r["key"] for r in _rows(tmp_path / "out") if r["status"] == "accepted"
    ]


def _rows(out):
    return pq.read_table(out / "metadata.parquet").to_pylist()


def _keys_by_webdataset(s3) -> list[str]:
    """As a user streams it: webdataset reads what a command pipes to it."""
    import webdataset

    keys = sorted(
        item.key
        for item in s3.bucket.objects.filter(Prefix="out/shards/")
        if item.key.endswith(".tar")
    )
    code = "import fsspec, sys; sys.stdout.buffer.write(fsspec.open(sys.argv[1]).open().read())"
    reader = f'pipe:{sys.executable} -c "{code}" s3://corpora/{{}}'
    data = webdataset.WebDataset([reader.format(key) for key in keys], shardshuffle=False).decode(
        "pil"
    )
    samples = list(data)
    assert all(sample["png"].size == (64, 64) for sample in samples)
    return [sample["__key__"] for sample in samples]


def test_a_store_that_stays_away_stops_the_command_with_the_place_and_exit_code_1(manifests, s3):
    s3.rates = {"503": 1.0}
    done = drive.command(
        "run", manifests[0], "--output", "s3://corpora/out", *SIZES, "--set", "store_timeout_s=1"
    )
    assert done.returncode == 1
    assert "stopped: s3://corpora/out/run.json: gave up after" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.faults
def test_the_second_driver_is_refused_there_and_a_dead_ones_place_is_taken(manifests, s3):
    words = [manifests[0], "s3://corpora/out", "--workers", 1, "--batch-size", 1]
    # The first one is still at work when the second one has been refused, on a busy machine, too.
    slow = {"faults": {"delay": 5}}
    with drive.started(*words, **slow) as going:
        drive.wait_until(
            lambda: list(s3.bucket.objects.filter(Prefix="out/_state/batches/")), going
        )
        second = drive.run_process(*words, **slow)
        assert second.returncode == 2
        assert (
            f"another driver is writing s3://corpora/out (process {going.pid} on " in second.stderr
        )
        assert going.poll() is None
        drive.kill_all(going)
    (lease,) = [item for item in s3.bucket.objects.all() if item.key == "out/_state/lease.json"]
    assert json.loads(lease.get()["Body"].read())["pid"] == going.pid
    done = drive.run_process(*words, faults={"delay": 0})
    assert done.returncode == 0, done.stderr
    assert ": 12 requests: " in done.stdout
    assert "out/_state/lease.json" not in {item.key for item in s3.bucket.objects.all()}


def test_a_manifest_that_is_not_there_is_named(s3):
    done = drive.command("run", "s3://corpora/none.parquet", "--output", "s3://corpora/out")
    assert done.returncode == 2
    assert "s3://corpora/none.parquet" in done.stderr
    assert "Traceback" not in done.stderr
