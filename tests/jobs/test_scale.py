"""Large runs: skipping, counting and resuming without reading the plan."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError
from manifests.read import check, content_hash, find_request
from muse.emotions import MIKELS
from pipeline.config import Config
from pipeline.models.locate import locate
from pipeline.output.run.run_file import describe, known_manifest, read_run, write_run


def test_a_request_is_found_by_its_number(tmp_path):
    path = tmp_path / "m.parquet"
    table = pa.table({"prompt": ["a"] * 4, "emotion": [["awe", "fear"], None, ["anger"], ["awe"]]})
    pq.write_table(table, path, row_group_size=2)
    places = [(0, 0), (0, 1), *[(1, n) for n in range(8)], (2, 0), (3, 0), (4, 0)]
    assert [find_request(str(path), n, 8) for n in range(13)] == places


def test_repeated_ids_are_reported_by_row_beside_other_problems(tmp_path):
    path = tmp_path / "m.parquet"
    ids = ["a", "b", "a", "c", "b", "a"]
    pq.write_table(
        pa.table({"id": ids, "prompt": ["x", "x", "x", "", "x", "x"]}), path, row_group_size=2
    )
    with pytest.raises(ManifestError) as caught:
        check(str(path), MIKELS.labels, 8)
    assert [(problem.row, problem.message[:20]) for problem in caught.value.problems] == [
        (2, "'a' was used by row "),
        (3, "is empty; describe w"),
        (4, "'b' was used by row "),
        (5, "'a' was used by row "),
    ]
    assert [problem.message[20] for problem in caught.value.problems if problem.column == "id"] == [
        "0",
        "1",
        "0",
    ]


def test_many_repeated_ids_are_counted(tmp_path):
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"id": ["a"] * 200, "prompt": ["x"] * 200}), path)
    with pytest.raises(ManifestError, match=r"199 problem\(s\)") as caught:
        check(str(path), MIKELS.labels, 8)
    assert len(caught.value.problems) == 50
    assert caught.value.more == 149


def scale(*arguments, cwd=None):
    command = [sys.executable, "-m", "jobs.scale", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_scale_commands_measure_what_they_say(tmp_path):
    """Small, and without a word on speed: that is for a quiet machine (docs/scale.md)."""
    (plan,) = scale("plan", "--requests", 4000, "--folder", tmp_path)
    (named,) = scale("plan", "--requests", 4000, "--named", "--folder", tmp_path)
    assert plan["requests"] == named["requests"] == 4000
    sizes = ["--shards", 12, "--requests", 4000, "--pending", 3, "--kib", 2000]
    made, resumed = scale("resume", *sizes, "--folder", tmp_path)
    assert made["shards"] == resumed["shards"] == 12
    # The batch that closed the last shard is on disk; the next one is to be made.
    assert resumed["first"] == 13
    assert resumed["mib_in_batches"] >= 58
    assert resumed["mib_read"] < 8
    assert resumed["opened"]["_state/*.parquet"] == 4
    assert len(list(Path(tmp_path).glob("resume-*/shards/*.tar"))) == 12


def test_a_resumed_run_does_not_check_its_manifest_again(tmp_path):
    """The same bytes under the same settings were found valid before: no row is parsed again."""
    path, output = tmp_path / "m.parquet", tmp_path / "out"
    pq.write_table(pa.table({"prompt": ["a", "b"]}), path)
    config = Config(engine="null")
    sha256 = content_hash(str(path))
    assert known_manifest(str(path), sha256, config, output) is None
    manifest = check(str(path), MIKELS.labels, 8)
    run = describe(manifest, sha256, config, locate(config))
    write_run(output, run)
    # In the order of its keys, too: it decides the columns of a shard's parquet.
    assert json.dumps(read_run(output).parts) == json.dumps(run.parts)
    assert known_manifest(str(path), sha256, config, output) == manifest
    assert known_manifest(str(path), sha256, Config(engine="null", seed=1), output) is None
    assert known_manifest(str(path), "0" * 64, config, output) is None
