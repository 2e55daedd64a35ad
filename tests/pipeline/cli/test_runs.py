"""The commands on one run: which manifests and outputs they take."""

import os
import warnings

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.diffusion.files.loras.lora_target import LoraTarget
from muse.mini import WEIGHTS
from tests.support import drive
from tests.support.local_runs import write_rows


@pytest.mark.parametrize("form", ["s3:/b/m.parquet", "filecache::s3://b/m.parquet", "memory://m"])
@pytest.mark.parametrize("place", ["manifest", "output"])
def test_an_address_that_would_become_a_local_folder_is_refused(tmp_path, monkeypatch, form, place):
    monkeypatch.chdir(tmp_path)
    manifest = write_rows(tmp_path / "m.parquet", 1)
    arguments = {"manifest": manifest, "output": tmp_path / "out", place: form}
    done = drive.command(
        "run", arguments["manifest"], "--output", arguments["output"], "--engine", "null"
    )
    assert done.returncode == 2
    assert form in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_pipe_as_manifest_or_config_is_refused(tmp_path, monkeypatch, command):
    # Where no `out` lies, as one does here after the demo.
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    manifest = write_rows(tmp_path / "m.parquet", 1)
    for arguments in ([tmp_path / "pipe"], [manifest, "--config", tmp_path / "pipe"]):
        done = drive.command(command, *arguments)
        assert done.returncode == 2
        assert "not a regular file" in done.stderr


@pytest.mark.timeout(30)
@pytest.mark.parametrize("flags", [("--interval", "inf"), ("--interval", "1e300"), ("--json",)])
def test_what_a_watch_cannot_do_is_refused(tmp_path, flags):
    done = drive.command("status", tmp_path, "--watch", *flags)
    assert done.returncode == 2
    assert flags[0] in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["plan", "{m}", "--price", "2"], "--price: only a forecast needs this; give --from"),
        (["plan", "{m}", "--price", "-2", "--from", "x"], "--price: gpu_hour_price is -2"),
        (["plan", "{m}", "--workers", "2"], "--workers: only a forecast needs this"),
        (["status", "{m}", "--interval", "2"], "--interval 2: only --watch looks again"),
        (["config", "--schema", "--set", "seed=1"], "--schema has no values"),
    ],
)
def test_options_without_an_effect_are_refused(tmp_path, options, message):
    write_rows(tmp_path / "m.parquet", 1)
    done = drive.command(*(option.format(m=tmp_path / "m.parquet") for option in options))
    assert done.returncode == 2
    assert message in done.stderr


def test_emotions_that_no_row_needs_are_named_by_plan_check_and_run(tmp_path):
    manifest = write_rows(tmp_path / "m.parquet", 1)
    null = ["--emotions", "fear", "--set", "engine=null"]
    run = ["run", manifest, "-o", tmp_path / "out", "--executor", "local", "--set", "report=false"]
    for command in (["plan", manifest], ["manifest", "check", manifest], run):
        done = drive.command(*command, *null)
        assert done.returncode == 0, done.stderr
        assert "warning: emotions: no effect, because every row" in done.stderr


def test_a_run_of_which_all_failed_is_followed_by_a_retry(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSE_BATCH_TEST_FAULTS", '{"failures": 1.0}')
    manifest = write_rows(tmp_path / "m.parquet", 2)
    run = ["run", manifest, "-o", tmp_path / "out", "--engine", "null", "--executor", "local"]
    done = drive.command(*run)
    assert done.returncode == 1
    *_, look, retry, then = done.stdout.splitlines()
    assert look == f"Look at {tmp_path / 'out'}/report.html"
    assert retry == f"Next: muse-batch retry {tmp_path / 'out'}"
    assert then == "Then the same run command makes the failed requests again."


def test_what_a_trial_does_not_read_is_carried_through_it_to_the_run(tmp_path):
    manifest = write_rows(tmp_path / "m.parquet", 4)
    planned = drive.command("plan", manifest, "--limit", 2, "--shard-size", 7)
    carried = "--set shard_size=7 --set limit=2"
    assert planned.stdout.splitlines()[-1] == f"Next: muse-batch try {manifest} {carried}"
    words = ["--set", "shard_size=7", "--set", "limit=2"]
    null = ["--set", "engine=null"]
    tried = drive.command("try", manifest, "-o", tmp_path / "try", *words, *null)
    plan = f"Next: muse-batch plan {manifest} --from {tmp_path / 'try'} {carried}"
    assert tried.stdout.splitlines()[-1] == f"{plan} --set engine=null"
    again = drive.command("plan", manifest, "--from", tmp_path / "try", *words, *null)
    run = f"Next: muse-batch run {manifest} --output out {carried} --set engine=null"
    assert again.stdout.splitlines()[-1] == run
    assert "assumes" in again.stdout


@pytest.mark.parametrize("command", ["plan", "run", "try", "manifest check", "manifest show"])
def test_a_long_check_shows_how_far_it_has_come(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for name, value in {"EVERY_ROWS": 1, "SLOW_SECONDS": -1.0, "LINE_SECONDS": 0.0}.items():
        monkeypatch.setattr(f"pipeline.watch.row_progress.{name}", value)
    manifest = write_rows(tmp_path / "m.parquet", 3)
    words = [*command.split(), manifest, "--set", "engine=null", "--set", "report=false"]
    words += ["--executor", "local"] if command == "run" else []
    done = drive.command(*words)
    assert done.returncode == 0, done.stderr
    shown = [line for line in done.stderr.splitlines() if "the manifest:" in line]
    what = "reading" if command == "manifest show" else "checking"
    # Once, whatever the command reads the manifest for afterwards.
    assert shown == [f"muse-batch: {what} the manifest: {n} of 3 rows" for n in (1, 2)]


def _warnings(done):
    return [line for line in done.stderr.splitlines() if line.startswith("warning: ")]


def test_plan_shows_what_is_cut_of_prompts_and_a_run_says_so_once_and_in_short(tmp_path):
    long = "a dog on a beach " * 40
    columns = {"prompt": [long, "a dog", long], "negative_prompt": [None, None, long]}
    manifest = write_rows(tmp_path / "m.parquet", 3, **columns)
    steps = ("--set", "method.steps=2", "--set", "report=false")
    for command in (["plan", manifest], ["manifest", "check", manifest]):
        prompts, negatives = _warnings(drive.command(*command))
        assert "their ends are cut off: row 0: " in prompts
        assert "their ends are cut off: row 2: " in negatives
    fact = "longer than the text encoder reads; their ends are cut off"
    shown = "`muse-batch plan` shows what is lost"
    run = ["run", manifest, "-o", tmp_path / "out", "--executor", "local", "--limit", 1]
    done = drive.command(*run, *steps, "--set", "candidates=1")
    assert done.returncode == 0, done.stderr
    assert _warnings(done) == [
        f"warning: the prompts of 2 row(s) are {fact} (rows 0, 2). {shown}",
        f"warning: the negative prompts of 1 row(s) are {fact} (row 2). {shown}",
    ]
    # What came of it stands among the endings.
    assert "  1 request(s) had a longer prompt than the text encoder reads" in done.stderr


def test_what_is_left_out_of_a_lora_is_warned_of_once_though_it_is_fused_later(tmp_path, caplog):
    shapes = LoraTarget.of(WEIGHTS / "diffusion").layers["unet"]
    layer = next(name for name in sorted(shapes) if name.endswith("to_q"))
    out, into = shapes[layer]
    halves = {"A": np.ones((2, into), np.float32), "B": np.zeros((out, 2), np.float32)}
    names = (layer, layer.replace("to_q", "nothing"))
    tensors = {f"unet.{n}.lora_{half}.weight": halves[half] for n in names for half in halves}
    save_file(tensors, tmp_path / "style.safetensors")
    manifest = write_rows(tmp_path / "m.parquet", 1, prompt=["a dog"])
    words = ["--set", f'lora=["{tmp_path / "style.safetensors"}"]', "--set", "method.steps=2"]
    words += ["--set", "report=false"]
    run = ["run", manifest, "-o", tmp_path / "out", "--executor", "local"]
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        done = drive.command(*run, *words)
    assert done.returncode == 0, done.stderr
    (warning,) = _warnings(done)
    assert "style.safetensors: 1 of its 2 layers are not in this model" in warning
    assert [str(other.message) for other in others if "LoRA" in str(other.message)] == []
    assert [record for record in caplog.records if record.name.startswith("diffusers")] == []
    (planned,) = _warnings(drive.command("plan", manifest, *words[:4]))
    assert planned == warning
