"""A sample of `make chaos`, and the harness itself: it must see what it is there to see."""

import subprocess

import pytest

from tests.support import chaos, drive


@pytest.mark.faults
@pytest.mark.parametrize(("kind", "seed"), [("worker killed", 7), ("damaged files", 7)])
def test_a_sample_of_chaos_is_intact(tmp_path, kind, seed):
    """Seeded; the moments of the strikes are, what they hit depends on the machine."""
    prompts = [f"a dog, number {n}" for n in range(chaos.REQUESTS)]
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", prompts)
    undisturbed = drive.run_process(
        manifest, tmp_path / "reference", *chaos.SETTINGS, faults=chaos.FAULTS
    )
    assert undisturbed.returncode == 1, undisturbed.stderr  # the injected failures
    reference = drive.published(tmp_path / "reference")
    (tmp_path / "round").mkdir()
    done = chaos.one_round(kind, seed, manifest, reference, tmp_path / "round")
    assert done.wrong == ""
    assert done.faults > 0
    # The comparison works: damage done here is reported.
    out = tmp_path / "round" / "out"
    (out / "shards" / "00000001.tar").write_bytes(b"")
    assert chaos._compare(out, reference) == "other bytes: 00000001.tar"
    (out / "shards" / "00000000.json").unlink()
    assert chaos._compare(out, reference) == "lost: 00000000.json"


def test_every_kind_must_strike_its_share_and_damage_is_reported(monkeypatch):
    """Pretended rounds: of the first kind with one fault, of the second with forty."""
    struck = {"driver killed": 1, "object store": 40}

    def pretended(kind, seed, manifest, reference, folder):
        return chaos.Round(
            kind, struck[kind], "lost: 00000000.tar" if (kind, seed) == ("driver killed", 6) else ""
        )

    monkeypatch.setattr(chaos, "one_round", pretended)
    monkeypatch.setattr(chaos.drive, "published", lambda _: {})
    monkeypatch.setattr(chaos.drive, "run_process", _finished)
    rounds = chaos.chaos(8, 5, tuple(struck), lambda _: None, parallel=2)
    assert sorted(one.kind for one in rounds) == ["driver killed"] * 4 + ["object store"]
    table = chaos.table(rounds)
    assert "| driver killed | 4 | 4 | 3 |" in table
    assert "| object store | 40 | 1 | 1 |" in table


def _finished(manifest, out, *_, **__):
    out.mkdir()
    (out / "metadata.parquet").touch()
    return subprocess.CompletedProcess([], 0, "", "")
