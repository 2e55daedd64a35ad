"""The commands, as far as they need neither Ray nor a model."""

import json
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


def test_help_imports_nothing_heavy():
    """Whatever is imported costs every `--help` and every shell completion."""
    program = "import sys; from jobs.cli import app; app(['--help'], standalone_mode=False); "
    program += (
        "print(sorted({'numpy', 'pydantic', 'pyarrow', 'ray', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
