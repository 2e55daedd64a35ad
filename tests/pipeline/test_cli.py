"""The commands, as far as they need neither Ray nor a model."""

from typer.testing import CliRunner

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
