"""Output on an emulator of Google Cloud Storage, with seeded faults on the way."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from random import Random

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import RunStopped
from pipeline.storage.remote import Remote
from tests.end_to_end.test_object_store import FAULTY, ROWS, SIZES
from tests.support import drive
from tests.support.drive import IMAGES
from tests.support.stores import Proxy


@pytest.fixture
def gs(monkeypatch):
    """A proxy before the emulator, with an empty bucket `corpora`; the environment names it."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="corpora")
    server.start()
    proxy = Proxy(server._api._httpd.server_address[1], seed=0)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
    # This asks Google itself what kind of bucket it is, past the emulator.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    fsspec.get_filesystem_class("gs").clear_instance_cache()
    yield proxy
    proxy.close()
    server.stop()
    fsspec.get_filesystem_class("gs").clear_instance_cache()


def _objects() -> dict[str, bytes]:
    """What stands where `drive.published` finds its files on a disk."""
    fs = fsspec.filesystem("gs", use_listings_cache=False)
    names = [*fs.find("corpora/out/shards"), "corpora/out/metadata.parquet"]
    return {name.rpartition("/")[2]: fs.cat_file(name) for name in names}


def _has_batches(gs) -> bool:
    """Whether a run has written batches, asked past the proxy, whose faults take long."""
    place = f"http://127.0.0.1:{gs.upstream}/storage/v1/b/corpora/o?prefix=out/_state/batches/"
    with urllib.request.urlopen(place) as answer:
        return bool(json.load(answer).get("items"))


def test_objects_are_whole_and_faults_are_outlived(gs):
    gs.rates = FAULTY
    for number in range(12):
        # gcsfs ends a part with a bare line feed. The emulator takes a carriage return before it
        # for a part of that end.
        place, data = (
            Remote(f"gs://corpora/folder/{number}"),
            Random(number).randbytes(1000 * number) + b".",
        )
        place.put(data)
        assert place.exists()
        assert place.read_bytes() == data
        assert place.name in [item.name for item in place.parent.iterdir()]
    place.unlink()
    assert not place.exists()
    assert sum(gs.counts.values()) > 0


def test_refused_credentials_are_reported_at_once_with_the_remedy(gs):
    gs.rates = {"expired": 1.0}
    with pytest.raises(
        RunStopped, match=r"gs://corpora/file: access refused .* give valid credentials"
    ):
        Remote("gs://corpora/file").put(b"1")


def test_a_bucket_that_is_not_there_is_named(gs):
    with pytest.raises(
        RunStopped, match=r"gs://none/file: cannot be written .* does the bucket exist"
    ):
        Remote("gs://none/file").put(b"1")


@pytest.mark.faults
def test_run_killed_resumed_and_verified_it_is_what_a_disk_holds(gs, tmp_path):
    local, there = tmp_path / "manifest.parquet", "gs://corpora/in/manifest.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), local)
    (tmp_path / "railroad.png").write_bytes((IMAGES / "railroad.png").read_bytes())
    for name in ("manifest.parquet", "railroad.png"):
        Remote(f"gs://corpora/in/{name}").put((tmp_path / name).read_bytes())
    done = drive.command("run", local, "--output", tmp_path / "out", *SIZES)
    assert done.returncode == 0, done.stderr
    gs.rates = FAULTY
    command = ["run", there, "--output", "gs://corpora/out", *SIZES]
    started = [sys.executable, "-m", "pipeline", *map(str, command)]
    with subprocess.Popen(started, start_new_session=True) as process:
        deadline = time.monotonic() + 300
        while not _has_batches(gs):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    again = drive.command(*command)
    assert again.returncode == 0, again.stderr
    gs.rates = {}
    assert _objects() == drive.published(tmp_path / "out")
    verified = drive.command("verify", "gs://corpora/out")
    assert verified.returncode == 0, verified.stderr
    state = json.loads(drive.command("status", "gs://corpora/out", "--json").stdout)
    assert state["complete"]
    assert state["done"] == state["requests"] == 12
