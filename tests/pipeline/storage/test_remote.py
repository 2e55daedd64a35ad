"""Object stores: a real server that speaks S3, with seeded faults on the way to it."""

import hashlib
import os
import random

import pytest

from pipeline.errors import RunStopped, UserError
from pipeline.generation.source_images import ImageError, open_source
from pipeline.output.batches import (
    batch_path,
    batch_table,
    list_batches,
    read_batch,
    read_rows,
    remove_batch,
    write_batch,
)
from pipeline.output.markers import read_markers
from pipeline.storage import files as storage
from pipeline.storage import remote
from pipeline.storage.files import location
from pipeline.storage.log import Log, entries
from pipeline.storage.stream import FileStream
from tests.pipeline.output.test_shards import SCHEMA, STATUSES, _files, _publisher, _results
from tests.support.stores import DELAY


@pytest.fixture(params=["memory", "s3"])
def store(request):
    """A place on each kind of store."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        return location("s3://corpora/out", 60)
    import fsspec

    fsspec.filesystem("memory").store.clear()
    return remote.remote("memory://corpora/out")


def test_it_is_named_listed_read_and_removed_like_a_path(store):
    assert not store.exists()
    assert not any(store.iterdir())
    data = bytes(range(256)) * 10
    assert storage.write_bytes(store / "a" / "one.bin", data) == hashlib.sha256(data).hexdigest()
    storage.write_json(store / "a" / "two.json", {"b": 1})
    assert storage.read_json(store / "a" / "two.json") == {"b": 1}
    assert storage.sha256_file(store / "a" / "one.bin") == hashlib.sha256(data).hexdigest()
    assert [file.name for file in storage.listing(store / "a", "*")] == ["one.bin", "two.json"]
    assert [file.name for file in storage.listing(store / "a", "*.json")] == ["two.json"]
    assert [folder.name for folder in store.iterdir()] == ["a"]
    assert store.exists()
    with (store / "a" / "one.bin").open() as handle:
        handle.seek(250)
        assert handle.read(3) == bytes([250, 251, 252])
    assert (store / "a" / "one.bin").read_bytes(3) == bytes([0, 1, 2])
    (store / "a" / "one.bin").unlink()
    (store / "a" / "one.bin").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (store / "a" / "one.bin").read_bytes()
    assert (store / "a").parent == store
    assert (store / "a" / "one.bin").stem == "one"


@pytest.mark.parametrize("mib", [0, 5, 40])
def test_a_streamed_file_is_there_whole_once_it_is_committed(store, mib):
    data = random.Random(mib).randbytes(mib << 20)
    stream = FileStream(store / "large.bin")
    for start in range(0, len(data), 1 << 20):
        stream.write(data[start : start + (1 << 20)])
    assert not (store / "large.bin").exists()
    assert stream.commit() == hashlib.sha256(data).hexdigest()
    assert (store / "large.bin").read_bytes() == data


def test_a_large_file_is_uploaded_in_parts_past_broken_connections(s3, tmp_path):
    data = random.Random(1).randbytes(70 << 20)
    (tmp_path / "large.bin").write_bytes(data)
    s3.rates, s3.only = {"cut upload": 0.2, "503": 0.1}, ("PUT", "POST")
    location("s3://corpora/large.bin", 60).put_file(str(tmp_path / "large.bin"))
    s3.rates = {}
    assert s3.counts.total() > 0
    stored = s3.bucket.Object("large.bin")
    # The ETag of an object that came in parts ends with their number.
    assert stored.e_tag.strip('"').endswith("-5")
    assert stored.get()["Body"].read() == data


@pytest.mark.parametrize("stop", [0, 3, 5])
def test_shards_there_are_those_on_a_disk(store, tmp_path, stop):
    """The publisher is replaced after so many batches."""
    batches = _results(STATUSES, 3)
    for out in (tmp_path, store):
        publisher = _publisher(out, 4)
        for results in batches[:stop]:
            publisher.take(results)
        publisher = _publisher(out, 4)
        for results in batches[publisher.next.batch :]:
            publisher.take(results)
        publisher.finish()
    there = {file.name: file.read_bytes() for file in (store / "shards").iterdir()}
    assert there == _files(tmp_path)
    assert read_markers(store) == read_markers(tmp_path)


def test_a_damaged_batch_there_is_found(store):
    (results,) = _results("aaa", 3)
    file = write_batch(store, 0, results, SCHEMA)
    assert list_batches(store) == [file]
    assert read_batch(store, file) == batch_table(results, SCHEMA)
    rows = [{"key": result.record["key"]} for result in results]
    assert read_rows(store, file, ["key"]) == rows
    path = batch_path(store, file)
    path.put(path.read_bytes()[:-1])
    assert read_batch(store, file) is None
    assert read_rows(store, file, ["key"]) is None
    remove_batch(store, file)
    assert read_batch(store, file) is None
    assert list_batches(store) == []


def test_the_log_grows_by_numbered_objects(store):
    for batch in range(3):
        with Log(store) as log:
            report = {"batch": batch, "statuses": {"accepted": 1}, "seconds": 1.0}
            log.add(report)
            log.add(report)
    assert [entry["batch"] for entry in entries(store)] == [0, 0, 1, 1, 2, 2]
    assert [file.name for file in storage.listing(store / "_state" / "log", "*")] == [
        f"00000{n}.jsonl" for n in range(3)
    ]


@pytest.mark.parametrize("fault", ["500", "503", "cut upload", "cut download"])
def test_passing_faults_are_outlived(s3, fault):
    """Each of 8 files and its copies meets the fault with probability 0.3 a request; seed 0."""
    s3.rates = {fault: 0.3}
    rng, out = random.Random(0), location("s3://corpora/out", 60)
    for number in range(8):
        data = rng.randbytes(50_000)
        storage.write_bytes(out / f"{number}", data)
        assert (out / f"{number}").read_bytes() == data
        assert storage.sha256_file(out / f"{number}") == hashlib.sha256(data).hexdigest()
    assert s3.counts[fault] > 3


@pytest.fixture
def hasty(monkeypatch):
    """Clients that wait half a second for an answer instead of a minute."""
    monkeypatch.setitem(remote._QUICK_CLIENT["config_kwargs"], "read_timeout", 0.5)


@pytest.mark.parametrize("fault", ["delay", "silence"])
def test_a_call_whose_answer_does_not_come_in_time_is_repeated(s3, hasty, fault):
    """Seed 0, probability 0.3 a request. Answers come later than the client waits, or never."""
    assert remote._QUICK_CLIENT["config_kwargs"]["read_timeout"] < DELAY
    s3.rates, out = {fault: 0.3}, location("s3://corpora/out", 60)
    for number in range(4):
        storage.write_bytes(out / f"{number}", bytes([number]))
        assert (out / f"{number}").read_bytes() == bytes([number])
    assert s3.counts[fault] > 1


@pytest.mark.parametrize("size", [50_000, 110_000_000])
def test_an_upload_that_is_cut_leaves_nothing_under_its_name(s3, size):
    """One put, or beyond 100 MB a multipart upload: it stops with the place and the cause."""
    out = location("s3://corpora/out", 1)
    s3.rates, s3.only = {"cut upload": 1.0}, ("PUT",)
    with pytest.raises(RunStopped, match=r"s3://corpora/out/big: gave up after \d+ s \(.*"):
        storage.write_bytes(out / "big", bytes(size))
    assert [item.key for item in s3.bucket.objects.all()] == []
    s3.rates = {}
    storage.write_bytes(out / "big", b"whole")
    assert (out / "big").read_bytes() == b"whole"


def test_a_store_that_stays_away_stops_the_run_with_place_and_cause(s3):
    s3.rates = {"503": 1.0}
    with pytest.raises(
        RunStopped, match=r"s3://corpora/out/run.json: gave up after \d+ s \(.*Service Unavailable"
    ):
        location("s3://corpora/out", 1).__truediv__("run.json").read_bytes()


def test_a_store_that_never_answers_stops_the_run_within_its_timeout(s3, hasty):
    """A try that has begun is waited for, as long as the client waits: half a second."""
    s3.rates = {"silence": 1.0}
    out = location("s3://corpora/out", 1)
    for call in (
        (out / "run.json").read_bytes,
        lambda: storage.write_bytes(out / "run.json", b"x"),
    ):
        before = s3.counts["silence"]
        with pytest.raises(
            RunStopped, match=r"s3://corpora/out/run.json: gave up after \d+ s \(ReadTimeoutError"
        ):
            call()
        # Only two tries can begin within a second.
        assert 1 <= s3.counts["silence"] - before <= 2


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_without_credentials_it_says_so_at_once(s3, monkeypatch, tmp_path, missing):
    monkeypatch.delenv(missing)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(
        RunStopped, match=r"access refused .* give valid credentials in the environment"
    ) as stopped:
        storage.write_bytes(location("s3://corpora/out", 600) / "file", b"x")
    assert "very-secret-key" not in str(stopped.value)


def test_expired_credentials_are_not_waited_for(s3):
    out = location("s3://corpora/out", 600)
    storage.write_bytes(out / "file", b"before")
    s3.rates = {"expired": 1.0}
    for call in (
        lambda: storage.write_bytes(out / "file", b"x"),
        (out / "file").read_bytes,
        (out / "file").exists,
    ):
        with pytest.raises(RunStopped, match=r"s3://corpora/out/file: access refused"):
            call()
    assert s3.counts["expired"] <= 6


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(
        RunStopped, match=r"s3://nobodys/file: cannot be written .* does the bucket exist"
    ):
        storage.write_bytes(location("s3://nobodys", 600) / "file", b"x")


def test_an_image_on_a_store_outlives_faults_and_a_missing_one_fails_alone(s3):
    from tests.pipeline.generation.test_source_images import _bytes, _stripes

    storage.write_bytes(location("s3://corpora/images/a.png"), _bytes(_stripes(80, 80)))
    s3.rates = {"503": 0.4, "cut download": 0.2}
    assert open_source("a.png", "s3://corpora/images", 64).image.size == (64, 64)
    with pytest.raises(ImageError, match="does not exist"):
        open_source("s3://corpora/images/b.png", "", 64)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://me:word@corpora/out", "s3://corpora/out: credentials and queries do not belong"),
        ("abfs://c:word@a.dfs.core.windows.net/x", "abfs://a.dfs.core.windows.net/x: credentials"),
        ("s3://corpora/out?token=word", "s3://corpora/out: credentials and queries do not belong"),
        ("ftp://host/out", "files cannot be written atomically there"),
        ("https://host/out", "files cannot be written atomically there"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_secrets(url, message):
    with pytest.raises(UserError) as refused:
        location(url)
    assert message in str(refused.value)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize("url", ["gopher://host/m.parquet", "s3://corpora/none.parquet"])
def test_a_manifest_that_cannot_be_fetched_is_named(s3, url):
    with pytest.raises((UserError, FileNotFoundError)) as caught, storage.fetched(url):
        pass
    assert url in str(caught.value) or "corpora/none.parquet" in str(caught.value)


def test_a_place_on_disk_is_a_plain_path(tmp_path):
    assert location(str(tmp_path)) == location(f"file://{tmp_path}") == tmp_path
    assert os.fspath(location("out")) == "out"
