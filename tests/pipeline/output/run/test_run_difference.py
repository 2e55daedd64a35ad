"""What differs between two runs is told without hashes."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.read import content_hash
from pipeline.output.run import run_difference
from pipeline.output.run.run_difference import in_words
from pipeline.output.run.run_file import RunFile
from pipeline.planning.fingerprint import differences, fingerprint

MODELS = {"judge": {"name": "/m/judge", "sha256": "j"}}


def _run(manifest, rows=2, sha256=None, models=MODELS, **parts) -> RunFile:
    sha256 = sha256 or content_hash(str(manifest))
    parts = {"manifest": {"sha256": sha256}, "config": {"seed": 0}, "models": models, **parts}
    return RunFile(
        fingerprint=fingerprint(parts),
        parts=parts,
        config={},
        same_judge=False,
        manifest=str(manifest),
        rows=rows,
        requests=rows,
    )


def _told(before, now):
    return in_words(differences(before.parts, now.parts), before, now)


@pytest.fixture
def manifest(tmp_path):
    def write(name, **columns):
        path = tmp_path / name
        pq.write_table(pa.table({"prompt": ["a dog", "a cat"], **columns}), path)
        return path

    return write


def test_another_manifest_is_told_by_name_rows_and_columns(manifest):
    a, b = manifest("a.parquet", place=["x", "y"]), manifest("b.parquet", seed=[1, 2])
    assert _told(_run(a), replace(_run(b), rows=3, requests=24)) == [
        f"manifest: {a} (2 row(s), 2 request(s)) -> {b} (3 row(s), 24 request(s))",
        f"manifest: {b} lacks column(s) place",
        f"manifest: {b} has the new column(s) seed",
    ]


def test_a_manifest_that_was_written_over_is_told_by_its_rows(manifest):
    path = manifest("m.parquet")
    now = _run(path)
    before = _run(path, sha256="another")
    (same,) = _told(before, now)
    assert same == f"manifest: {path} has changed: as many rows (2 row(s), 2 request(s)), with " + (
        "other content"
    )
    (more,) = _told(replace(before, rows=1, requests=1), now)
    assert more.endswith("has changed: 1 row(s), 1 request(s) -> 2 row(s), 2 request(s)")


def test_a_manifest_that_was_written_over_is_not_hashed_again(manifest, monkeypatch):
    path = manifest("m.parquet")
    before, now = _run(path, sha256="another"), _run(path)
    monkeypatch.setattr(run_difference, "content_hash", None)
    assert len(_told(before, now)) == 1


def test_a_manifest_that_is_gone_or_at_a_url_needs_no_reading(manifest):
    path = manifest("m.parquet")
    for other in ("gone.parquet", "s3://bucket/m.parquet"):
        assert len(_told(_run(other, sha256="x"), _run(path))) == 1


def test_models_and_settings(manifest):
    path = manifest("m.parquet")
    changed = {"judge": {"name": "/m/judge", "sha256": "k"}}
    assert _told(_run(path), _run(path, models=changed)) == [
        "models.judge: the files of /m/judge have changed"
    ]
    other = {"judge": {"name": "/m/other", "sha256": "k"}}
    assert _told(_run(path), _run(path, models=other, config={"seed": 1})) == [
        "config.seed: 0 -> 1",
        'models.judge.name: "/m/judge" -> "/m/other"',
        "models.judge: the files of /m/other are not those of /m/judge",
    ]


def test_derived_corpora_are_told_without_hashes(manifest):
    path = manifest("m.parquet")
    before = _run(path, refiltered="a" * 64, flags={"sha256": "b", "accept": 1})
    now = _run(path, refiltered="c" * 64, flags={"sha256": "d", "accept": 2})
    assert _told(before, now) == [
        "flags: another set of them",
        "refiltered: made of another corpus, or of that corpus as it was before",
    ]
