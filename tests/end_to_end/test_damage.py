"""What a run does about damaged files, changed settings, failing models and too little memory."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.errors import RunStopped
from pipeline.output.run.run_file import read_run, write_run
from pipeline.scheduling.executors.local_executor import LocalExecutor
from tests.support import drive
from tests.support.local_runs import run_locally

PLAIN = [f"a dog, number {n}" for n in range(24)]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return drive.write_manifest(tmp_path_factory.mktemp("plain") / "manifest.parquet", PLAIN)


@pytest.fixture(scope="module")
def undisturbed(manifest, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = drive.run(manifest, out)
    assert done.returncode == 0, done.stderr
    return out


def test_out_of_memory_is_met_with_smaller_pieces_and_a_warning(undisturbed, manifest, tmp_path):
    out = tmp_path / "out"
    done = drive.run(manifest, out, "--batch-size", 8, faults={"memory": 2})
    assert done.returncode == 0, done.stderr
    assert "3 batch(es) " in done.stderr
    assert "with --batch-size 2 they cannot" in done.stderr
    rows = drive.rows(out)
    assert {row["micro_batch_size"] for row in rows} == {2}
    assert [row["judge_confidence"] for row in rows] == [
        row["judge_confidence"] for row in drive.rows(undisturbed)
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_loaded_stops_the_run_with_the_cause(manifest, tmp_path, workers):
    """Its files are whole and fit, but diffusers does not read one: only a worker finds out."""
    model = tmp_path / "model"
    shutil.copytree("muse/mini/weights/diffusion", model)
    scheduler = model / "scheduler" / "scheduler_config.json"
    scheduler.write_bytes(b"\xef\xbb\xbf" + scheduler.read_bytes())
    done = drive.run(
        manifest, tmp_path / "out", "--engine", "muse", "--model", model, "--workers", workers
    )
    assert done.returncode == 1
    assert "no worker could be started: " in done.stderr
    assert "not a valid JSON file" in done.stderr
    assert f"the diffusion model {model} cannot be loaded: " in done.stderr
    assert "The same command resumes the run" not in done.stderr


def _remove(path: Path) -> None:
    path.unlink()


def _edit(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("shards/00000001.tar", _remove, "shards/00000001.tar: is missing"),
        ("shards/00000001.tar", _empty, "shards/00000001.tar: has 0 bytes where "),
        ("shards/00000000.parquet", _remove, "shards/00000000.parquet: is missing"),
        (
            "shards/00000000.parquet",
            _edit,
            "shards/00000000.parquet: its content is not what was committed",
        ),
        (
            "shards/00000000.json",
            _remove,
            "shards/00000000.json: is missing, and later shards are there",
        ),
        ("shards/00000000.json", _empty, "00000000.json is damaged"),
        (
            "shards/00000001.json",
            lambda path: path.write_text("{}"),
            "00000001.json is damaged: it is not the marker that was written",
        ),
        ("run.json", _edit, "run.json is damaged"),
        (
            "run.json",
            lambda path: path.write_text("[]"),
            "run.json is damaged: ",
        ),
    ],
)
def test_damage_is_refused_with_the_files_name_by_run_and_verify(
    manifest, undisturbed, tmp_path, file, damage, message
):
    out = drive.copy_unfinished(undisturbed, tmp_path)
    damage(out / file)
    done = drive.run(manifest, out)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    checked = drive.command("verify", out)
    assert checked.returncode != 0
    assert Path(file).name in checked.stderr
    assert "Traceback" not in checked.stderr + done.stderr


def test_damaged_and_foreign_batch_files_do_not_matter(manifest, undisturbed, tmp_path):
    """The run stops midway. Then a finished batch is cut short, and foreign files appear."""
    out = tmp_path / "out"

    def stop_at_the_fifth(task):
        if task.batch.number == 4:
            raise OSError(28, "No space left on device")

    executor = LocalExecutor(before_task=stop_at_the_fifth)
    with pytest.raises(RunStopped):
        run_locally(manifest, out, executor, emotions=Config().emotions)
    assert drive.batch_files(out)
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
    out = drive.copy_unfinished(undisturbed, tmp_path)
    run = read_run(out)
    parts = {**run.parts, "versions": {**run.parts["versions"], "python": "3.11.0"}}
    write_run(out, dataclasses.replace(run, parts=parts, fingerprint="another"))
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
    (line,) = read_run(out).adopted
    assert line.startswith('versions.python: "3.11.0" -> ')


def test_a_manifest_that_changed_is_refused_with_the_difference(manifest, undisturbed, tmp_path):
    out = drive.copy_unfinished(undisturbed, tmp_path)
    other = drive.write_manifest(tmp_path / "manifest.parquet", [*PLAIN[:-1], "a cat"])
    done = drive.run(other, out, "--adopt")
    assert done.returncode == 2
    assert " with other content" in done.stderr or " -> " in done.stderr
    assert "sha256" not in done.stderr
    assert "another --output" in done.stderr
