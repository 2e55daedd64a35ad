"""The commands that make a corpus from corpora."""

from tests.support import drive
from tests.support.local_runs import write_rows


def test_commands_on_corpora_report_what_they_did(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSE_BATCH_TEST_FAULTS", '{"failures": 0.3}')
    manifest = write_rows(tmp_path / "m.parquet", 12)
    out, late, more, both = (tmp_path / name for name in ("out", "late", "more", "both"))
    run = ["run", manifest, "--output", out, "--engine", "null", "--set", "executor=local"]
    run += ["--batch-size", 4, "--set", "keep_rejected=true"]
    assert drive.command(*run).returncode == 1
    done = drive.command("refilter", out, "--min-confidence", 0.1, "--output", late)
    assert done.returncode == 0, done.stderr
    assert "12 requests: " in done.stdout
    assert "same samples" not in done.stderr
    last = done.stdout.splitlines()[-1]
    assert last == f"Next: muse-batch publish {late} OWNER/NAME --dry-run"
    done = drive.command("refilter", out, "--output", tmp_path / "same")
    assert "warning: no threshold and no flags are given" in done.stderr
    other = [*run, "--seed", 1]
    other[other.index(out)] = more
    assert drive.command(*other).returncode == 1
    assert "24 requests: " in drive.command("merge", late, more, "--output", both).stdout
    assert drive.command("merge", out, late, "--output", both).returncode == 2
    assert drive.command("verify", both).returncode == 0
    assert "complete" in drive.command("status", both).stdout
    assert drive.command("retry", out, "--status", "rejected").returncode == 2
    assert "reopened; the same run command makes them" in drive.command("retry", out).stdout
    assert drive.command(*run).returncode == 1
