"""Whole runs with the embedded model, by the command. Few steps make them quick."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muse.emotions import MIKELS
from pipeline.errors import RunStopped
from pipeline.output.batches import list_batches
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.log import reports
from tests.support import drive
from tests.support.drive import IMAGES

QUICK = [
    "--set",
    "method.steps=6",
    "--set",
    "method.max_updates_per_step=1",
    "--min-confidence",
    "0.3",
]


@pytest.fixture(scope="session")
def manifest(tmp_path_factory) -> Path:
    """Eight rows, 24 requests: generated, edited (by a relative and an absolute path), and an
    image that does not exist.
    """
    folder = tmp_path_factory.mktemp("manifest")
    shutil.copy(IMAGES / "railroad.png", folder / "railroad.png")
    made = ["a dog on a beach", "a cat by a pond", "a car on a street", "a house in a forest"]
    rows = [
        *({"prompt": prompt, "emotion": ["awe", "fear", "contentment"]} for prompt in made),
        {
            "prompt": "a lion on a railroad",
            "image": "railroad.png",
            "emotion": ["awe", "fear", "sadness"],
        },
        {"prompt": "a boat", "image": "nowhere.png", "emotion": ["awe"]},
        {
            "prompt": "a cat",
            "image": str(IMAGES / "amusement-park.png"),
            "emotion": ["anger", "fear", "disgust"],
        },
        {"prompt": "a duck by a pond", "emotion": list(MIKELS.labels[:5])},
    ]
    schema = pa.schema(
        [
            ("prompt", pa.string()),
            ("image", pa.string()),
            ("emotion", pa.list_(pa.string())),
            ("rating", pa.int64()),
        ]
    )
    rated = [{**row, "rating": number} for number, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(rated, schema), folder / "manifest.parquet")
    return folder / "manifest.parquet"


def _arguments(manifest, out, *more):
    sizes = ["--batch-size", 4, "--shard-size", 5, "--set", "report=false"]
    return ["run", manifest, "--output", out, "--executor", "local", *sizes, *QUICK, *more]


def _run(manifest, out, *more):
    return drive.command(*_arguments(manifest, out, *more))


@pytest.fixture(scope="session")
def corpus(manifest, tmp_path_factory) -> Path:
    """The undisturbed run."""
    out = tmp_path_factory.mktemp("corpus") / "out"
    done = _run(manifest, out)
    assert done.returncode == 1, done.stderr  # one request fails, on purpose
    assert "1 failed" in done.stdout
    return out


def test_every_request_ends_with_a_status_and_a_reason(corpus):
    rows = pq.read_table(corpus / "metadata.parquet").to_pylist()
    assert [row["key"] for row in rows] == [f"{n:012d}" for n in range(24)]
    for row in rows:
        assert row["status"] in ("accepted", "rejected", "failed")
        assert (row["reason"] is None) == (row["status"] == "accepted")
        if row["status"] != "failed":
            assert all(0 <= row[f"judge_{label}"] <= 1 for label in MIKELS.labels)
            least = {"similarity": 0.5, "source_similarity": 0.5, "judge_confidence": 0.3}
            reached = [row[name] is None or row[name] >= level for name, level in least.items()]
            assert all(reached) == (row["status"] == "accepted")
    (failed,) = [row for row in rows if row["status"] == "failed"]
    assert failed["prompt"] == "a boat"
    assert "does not exist" in failed["reason"]
    assert [row["rating"] for row in rows[:4]] == [0, 0, 0, 1]
    assert {row["task"] for row in rows} == {"generate", "edit"}


def test_the_corpus_is_sound(corpus):
    done = drive.command("verify", corpus)
    assert done.returncode == 0, done.stderr
    state = json.loads(drive.command("status", corpus, "--json").stdout)
    assert state["complete"]
    assert state["done"] == state["requests"] == 24
    assert state["failed"] == 1
    assert "complete" in drive.command("status", corpus).stdout


def test_datasets_reads_it(corpus):
    from datasets import load_dataset

    data = load_dataset(str(corpus), split="train", cache_dir=str(corpus.parent / "cache"))
    rows = [
        row
        for row in pq.read_table(corpus / "metadata.parquet").to_pylist()
        if row["status"] == "accepted"
    ]
    assert [item["__key__"] for item in data] == [row["key"] for row in rows]
    for item, row in zip(data, rows, strict=True):
        assert item["png"].size == (128, 128)
        assert item["txt"] == row["prompt"]
        assert MIKELS.labels[item["cls"]] == row["emotion"]
        assert item["json"]["seed"] == row["seed"]


def test_webdataset_reads_it(corpus):
    import webdataset

    tars = sorted(str(path) for path in (corpus / "shards").glob("*.tar"))
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode("pil"))
    rows = [
        row
        for row in pq.read_table(corpus / "metadata.parquet").to_pylist()
        if row["status"] == "accepted"
    ]
    assert [sample["__key__"] for sample in samples] == [row["key"] for row in rows]
    assert all(sample["png"].size == (128, 128) for sample in samples)
    assert [sample["json"]["judge_confidence"] for sample in samples] == [
        row["judge_confidence"] for row in rows
    ]


@contextmanager
def _started(manifest, out, *more) -> Iterator[subprocess.Popen]:
    """A run as a process of its own, whose first batch has just been finished."""
    command = [sys.executable, "-m", "pipeline", *map(str, _arguments(manifest, out, *more))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:  # fmt: skip
        deadline = time.monotonic() + 200
        while not list((out / "_state" / "batches").rglob("*.parquet")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process


@pytest.mark.faults
def test_killed_midway_and_run_again_it_gives_the_same_bytes_and_makes_no_finished_batch_anew(
    corpus, manifest, tmp_path
):
    out = tmp_path / "out"
    with _started(manifest, out) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kept, logged = (
        {file.number for file in list_batches(out)},
        [line["batch"] for line in reports(out)],
    )
    assert kept
    state = json.loads(drive.command("status", out, "--json").stdout)
    assert not state["complete"]
    assert drive.command("verify", out).returncode == 1
    again = _run(manifest, out)
    assert again.returncode == 1, again.stderr
    assert "1 failed" in again.stdout, again.stderr
    assert drive.published(out) == drive.published(corpus)
    assert drive.command("verify", out).returncode == 0
    made = [line["batch"] for line in reports(out)][len(logged) :]
    assert set(made).isdisjoint({*kept, *logged})
    assert len(made) == len(set(made))


@pytest.mark.faults
def test_interrupted_it_saves_and_exits_with_130(manifest, tmp_path):
    with _started(manifest, tmp_path / "out") as process:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=drive.TIMEOUT_S)
    assert process.returncode == 130
    assert "The same command resumes" in stderr
    assert "Traceback" not in stderr


def test_a_finished_run_is_left_as_it_is(corpus, manifest):
    before = drive.published(corpus)
    again = _run(manifest, corpus)
    assert again.returncode == 1
    assert "was complete already" in again.stdout
    assert drive.published(corpus) == before


def test_other_settings_are_refused_with_the_difference(corpus, manifest):
    other = _run(manifest, corpus, "--seed", 5)
    assert other.returncode == 2
    assert "config.seed: 0 -> 5" in other.stderr


def test_verify_finds_what_was_changed(corpus, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(corpus, out)
    tar = out / "shards" / "00000000.tar"
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    (out / "shards" / "00000009.tar").write_bytes(b"")
    (out / "shards" / "00000001.parquet").unlink()
    done = drive.command("verify", out)
    assert done.returncode == 1
    for name in (
        "00000000.tar: its content",
        "00000009.tar: belongs to no committed shard",
        "00000001.parquet: is missing",
    ):
        assert name in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.parquet"], "cannot be opened"),
        (["run", "{manifest}", "--model", "./nowhere"], "there is no such folder"),
        (["run", "{manifest}", "--judge", "no/where/at/all"], "there is no such folder"),
        (["run", "{manifest}", "--emotions", "joy"], "unknown emotion 'joy'"),
        (["run", "{manifest}", "--set", "method.step=3"], "did you mean method.steps"),
        (["run", "{manifest}", "--output", "{folder}"], "exists and is not a muse-batch run"),
        (["status", "{folder}"], "is not the output of a run"),
        (["verify", "{folder}"], "is not the output of a run"),
        (["plan", "pyproject.toml"], "is not a parquet file"),
    ],
)
def test_mistakes_end_with_a_message_and_exit_code_2(manifest, tmp_path, arguments, message):
    names = {"{manifest}": str(manifest), "{folder}": str(manifest.parent)}
    given = [names.get(a, a) for a in arguments]
    if given[0] == "run" and "--output" not in given:
        given += ["--output", str(tmp_path / "out")]
    done = drive.command(*given)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_plan_says_what_a_run_would_make(manifest, tmp_path):
    sizes = ["--batch-size", 4, "--output", tmp_path / "plan.parquet"]
    done = drive.command("plan", manifest, *sizes, "--json")
    numbers = json.loads(done.stdout)
    assert numbers["requests"] == 24
    assert numbers["batches"] == 6
    assert pq.read_table(tmp_path / "plan.parquet").num_rows == 24


def test_a_warning_names_unknown_words_and_those_that_the_embedded_model_knows(
    tmp_path, monkeypatch
):
    """The warning comes first: this run is then stopped before any model is loaded."""

    def stop(executor, job):
        raise RunStopped("stopped by the test")

    monkeypatch.setattr(LocalExecutor, "connect", stop)
    prompts = pa.table(
        {"prompt": ["a dog on a beach", *(f"a zebra and {n} quaggas" for n in range(12))]}
    )
    pq.write_table(prompts, tmp_path / "manifest.parquet")
    run = ["run", tmp_path / "manifest.parquet", "--executor", "local", "--output"]
    stderr = drive.command(*run, tmp_path / "out").stderr
    assert "stopped: stopped by the test" in stderr
    assert "warning: 12 row(s) have prompts with unknown words" in stderr
    assert "which have no effect: quaggas, zebra, 0, 1, 10, and 9 more (rows 1, 2, " in stderr
    assert "`muse-batch manifest show` lists them" in stderr
    other = drive.command(*run, tmp_path, "--engine", "null").stderr
    assert "exists and is not a muse-batch run" in other
    assert "unknown words" not in other


def test_help_imports_nothing_that_is_slow():
    code = (
        "import sys; from jobs.commands import app; app(['--help'], standalone_mode=False); "
        "print(*{'torch', 'ray', 'numpy', 'pyarrow', 'diffusers'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    *usage, imported = done.stdout.splitlines()
    assert {"run", "submit"} <= set(" ".join(usage).split())
    assert imported == ""
