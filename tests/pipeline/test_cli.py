"""The commands, as far as they need neither Ray nor a model."""

import json
import os
import signal
import subprocess
import sys
import tomllib

import pytest
from typer.testing import CliRunner

import pipeline
from pipeline.cli import app
from tests.support.local_runs import write_rows


def call(*arguments):
    """One command within this process: its exit code, and what it printed on both streams."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_commands_on_corpora_report_what_they_did(tmp_path, quick_storage, monkeypatch):
    monkeypatch.setenv("MUSE_BATCH_TEST_FAULTS", '{"failures": 0.3}')
    manifest = write_rows(tmp_path / "m.parquet", 12)
    out, late, both = (tmp_path / name for name in ("out", "late", "both"))
    run = ["run", manifest, "--output", out, "--engine", "null", "--set", "executor=local"]
    run += ["--batch-size", 4, "--set", "keep_rejected=true"]
    assert call(*run).exit_code == 1
    done = call("refilter", out, "--min-confidence", 0.1, "--output", late)
    assert done.exit_code == 0, done.output
    assert "12 requests: " in done.output
    assert "24 requests: " in call("merge", out, late, "--output", both).output
    assert call("verify", both).exit_code == 0
    assert "complete" in call("status", both).output
    assert call("retry", out, "--status", "rejected").exit_code == 2
    assert "reopened; the same run command makes them" in call("retry", out).output
    assert call(*run).exit_code == 1


def test_the_module_is_the_command():
    for arguments in (["--version"], ["--help"], ["run", "--no-such-option"]):
        command = [sys.executable, "-c", "from jobs.cli import main; main()", *arguments]
        module = [sys.executable, "-m", "pipeline", *arguments]
        done = [
            subprocess.run(words, capture_output=True, check=False) for words in (command, module)
        ]
        assert (done[0].returncode, done[0].stdout) == (done[1].returncode, done[1].stdout)
        assert done[0].stderr == done[1].stderr
    assert call("--version").output == f"muse-batch {pipeline.__version__}\n"


def test_effective_settings_are_printed_and_so_is_their_schema(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\nbatch_size = 4\n")
    printed = call("config", "--config", file, "--set", "seed=2").output
    values = tomllib.loads(printed)
    assert (values["seed"], values["batch_size"]) == (2, 4)
    assert json.loads(call("config", "--schema").output)["properties"]["seed"]["minimum"] == 0
    refused = call("config", "--set", "steps=30")
    assert refused.exit_code == 2
    assert "did you mean method.steps?" in refused.output


@pytest.mark.parametrize(
    ("arguments", "resumes"),
    [
        (["run", "{}", "--output", "{}/out"], True),
        (["plan", "{}"], False),
        (["status", "{}"], False),
        (["verify", "{}"], False),
        (["classifier", "fit", "{}", "--output", "{}/out", "--backbone", "{}"], False),
    ],
)
def test_only_a_run_is_resumed_by_the_same_command(tmp_path, monkeypatch, arguments, resumes):
    def fail(*_, **__):
        raise OSError(28, "No space left on device", "/disk")

    for name in ("pipeline.run.execute", "pipeline.planning.dry_run.dry_run"):
        monkeypatch.setattr(name, fail)
    for name in ("pipeline.output.status.status", "pipeline.output.verify.verify"):
        monkeypatch.setattr(name, fail)
    monkeypatch.setattr("pipeline.classifier.fit.fit", fail)
    done = call(*(argument.format(tmp_path) for argument in arguments))
    assert done.exit_code == 1
    assert "stopped: No space left on device /disk" in done.output
    assert ("The same command resumes the run." in done.output) == resumes


@pytest.mark.parametrize("name", ["\x1b]0;title\x07", "\x9b31m", "\u202egnp.exe", "a\u2028b"])
def test_names_cannot_control_the_terminal(tmp_path, name):
    done = call("status", tmp_path / name)
    assert done.exit_code == 2
    assert name not in done.output
    assert name.encode("unicode_escape").decode() in done.output


def test_ctrl_c_before_a_command_has_begun_ends_it_without_a_traceback(tmp_path):
    """While typer is imported, which stands for all imports."""
    (tmp_path / "typer.py").write_text(
        "print('importing', flush=True)\nimport time\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "--help"], env=environment, **options
    ) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("form", ["s3:/b/m.parquet", "filecache::s3://b/m.parquet", "memory://m"])
@pytest.mark.parametrize("place", ["manifest", "output"])
def test_an_address_that_would_become_a_local_folder_is_refused(tmp_path, monkeypatch, form, place):
    monkeypatch.chdir(tmp_path)
    manifest = write_rows(tmp_path / "m.parquet", 1)
    arguments = {"manifest": manifest, "output": tmp_path / "out", place: form}
    done = call("run", arguments["manifest"], "--output", arguments["output"], "--engine", "null")
    assert done.exit_code == 2
    assert form in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_pipe_as_manifest_or_config_is_refused(tmp_path, command):
    os.mkfifo(tmp_path / "pipe")
    manifest = write_rows(tmp_path / "m.parquet", 1)
    for arguments in ([tmp_path / "pipe"], [manifest, "--config", tmp_path / "pipe"]):
        done = call(command, *arguments)
        assert done.exit_code == 2
        assert "not a regular file" in done.output


def test_help_imports_nothing_heavy():
    """Whatever is imported costs every `--help` and every shell completion."""
    program = "import sys; from jobs.commands import app; app(['--help'], standalone_mode=False); "
    program += (
        "print(sorted({'numpy', 'pydantic', 'pyarrow', 'ray', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
