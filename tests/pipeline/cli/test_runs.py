"""The commands on one run: which manifests and outputs they take."""

import os

import pytest

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
def test_a_pipe_as_manifest_or_config_is_refused(tmp_path, command):
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
