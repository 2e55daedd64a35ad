"""Outputs whose files are those of another run, links, pipes or folders, or say what cannot be."""

import json
import os
import re
import shutil
from dataclasses import replace

import pytest

from pipeline.errors import RunStopped
from pipeline.output.markers import read_markers, write_marker
from pipeline.output.run.run_file import read_run, write_run
from pipeline.scheduling.executors.local_executor import LocalExecutor
from tests.support import drive
from tests.support.local_runs import published, run_locally, stop_at, write_rows

SETTINGS = {"batch_size": 2, "shard_size": 3, "min_confidence": 0.3, "report": False}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A finished and an unfinished run, and both again with another seed."""
    folder = tmp_path_factory.mktemp("originals")
    write_rows(folder / "m.parquet", 12)
    for name, seed in (("mine", 0), ("other", 1)):
        run_locally(folder / "m.parquet", folder / name, seed=seed, **SETTINGS)
        half, executor = folder / f"{name}-half", LocalExecutor(before_task=stop_at(4))
        with pytest.raises(RunStopped):
            run_locally(folder / "m.parquet", half, executor, seed=seed, **SETTINGS)
    return folder


@pytest.fixture
def world(originals, tmp_path):
    return shutil.copytree(originals, tmp_path / "world", symlinks=True)


def resume(world, out):
    run_locally(world / "m.parquet", out, **SETTINGS)


def refused(command, *arguments):
    """What a command says that refuses; without a traceback."""
    done = drive.command(command, *arguments)
    assert done.returncode != 0, (command, done.stdout)
    assert "Traceback" not in done.stderr
    return done.stderr + done.stdout


def replace_folder(source, target):
    shutil.rmtree(target)
    shutil.copytree(source, target)


def test_batches_of_another_run_are_not_taken_for_ones_own(world):
    """Their keys and digests are right, but their images have another seed."""
    replace_folder(world / "other-half" / "_state", world / "mine-half" / "_state")
    resume(world, world / "mine-half")
    assert published(world / "mine-half") == published(world / "mine")


@pytest.mark.parametrize("half", ["", "-half"])
def test_shards_of_another_run_are_refused(world, half):
    out = world / f"mine{half}"
    replace_folder(world / f"other{half}" / "shards", out / "shards")
    message = "shards/00000000.json: it and the shards after it are of another run than run.json"
    assert message in refused("verify", out)
    assert message in refused("status", out)
    settings = ["--set", "executor=local", "--set", "min_confidence=0.3", "--set", "report=false"]
    settings += ["--engine", "null", "--emotions", "awe", "--batch-size", 2, "--shard-size", 3]
    assert message in refused("run", world / "m.parquet", "-o", out, *settings)


@pytest.mark.parametrize("name", ["shards/00000001", "metadata.parquet", "run.json"])
def test_a_file_of_another_corpus_is_refused_by_name(world, name):
    out = world / "mine"
    for path in (world / "other").glob(f"{name}*"):
        shutil.copy(path, out / path.relative_to(world / "other"))
    # With another run.json, all else is of another run.
    expected = r"(00000000\.json|metadata\.parquet)" if name == "run.json" else name
    for command in ("verify", "status"):
        assert re.search(expected, refused(command, out))
    for command in ("retry", "refilter", "export"):
        more = {"retry": [], "refilter": ["-o", world / "new"]}
        more["export"] = ["--to", "imagefolder", "-o", world / "new"]
        assert re.search(expected, refused(command, out, *more[command]))
    assert not (world / "new").exists()


def test_files_that_are_links_folders_or_pipes(world):
    """A link to the same content is as good as it; nothing waits for a pipe."""
    out, tar = world / "mine", world / "mine" / "shards" / "00000000.tar"
    shutil.copy(tar, world / "copy.tar")
    shutil.move(tar, world / "elsewhere.tar")
    tar.symlink_to(world / "elsewhere.tar")
    assert drive.command("verify", out).returncode == 0
    (world / "elsewhere.tar").unlink()
    assert "shards/00000000.tar: is missing" in refused("status", out)
    tar.unlink()
    for make in (os.mkfifo, os.mkdir):
        make(tar)
        for command in ("status", "verify", "retry"):
            assert re.search("shards/00000000.tar: (is|has)", refused(command, out))
        tar.unlink() if make is os.mkfifo else tar.rmdir()
    shutil.copy(world / "copy.tar", tar)
    for name in ("run.json", "shards/00000001.json", "metadata.parquet"):
        content = (out / name).read_bytes()
        (out / name).unlink()
        os.mkfifo(out / name)
        for command in ("status", "verify", "retry"):
            assert name.rpartition("/")[2] in refused(command, out)
        (out / name).unlink()
        (out / name).write_bytes(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"7", b'{"a": NaN}', b"[" * 100_000, b"\xff", b"9" * 5000],
)
@pytest.mark.parametrize("name", ["run.json", "shards/00000000.json"])
def test_json_that_is_none_of_ours_is_named_without_the_parsers_words(world, name, content):
    (world / "mine" / name).write_bytes(content)
    for command in ("status", "verify", "retry"):
        text = refused(command, world / "mine")
        assert name.rpartition("/")[2] in text
        for word in ("Expecting", "column", "codec", "Exceeds", "recursion"):
            assert word not in text


@pytest.mark.parametrize(
    "change",
    [
        {"requests": -1},
        {"rows": -1},
        {"reopened_from": -1},
        {"files": {"../m.parquet": "0" * 64}},
        {"files": {"/etc/hostname": "0" * 64}},
        {"files": {"README.md": 7}},
    ],
)
def test_a_run_file_with_a_right_digest_and_impossible_values_is_refused(world, change):
    run = read_run(world / "mine")
    write_run(world / "mine", replace(run, **change))
    for command in ("status", "verify", "retry"):
        assert "run.json is damaged: " in refused(command, world / "mine")


def test_a_record_moved_between_shards_is_found(world):
    """Both files and their markers are written anew, with right hashes, by whoever moved it."""
    out = world / "mine"
    first, second = read_markers(out)[:2]
    shard = out / "shards" / "00000001.json"
    fields = json.loads(shard.read_text())
    fields["sha256"]["00000001.parquet"] = first.sha256["00000000.parquet"]
    shard.write_text(json.dumps(fields))
    assert "00000001.json is damaged" in refused("verify", out)
    hashes = {**second.sha256, "00000001.parquet": first.sha256["00000000.parquet"]}
    write_marker(out, replace(second, sha256=hashes))
    assert "damaged" in refused("verify", out)
