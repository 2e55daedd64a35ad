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
