"""What keeps a large run cheap: skipping, counting and resuming without reading the plan; the scale commands."""

import json
import random
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
from pipeline.output.run_file import describe, known_manifest, read_run, write_run
from pipeline.planning.manifest_input import batches_of
from pipeline.planning.plan import planned_requests

EMOTIONS = {
    "absent": None,
    "names": pa.string(),
    "lists": pa.list_(pa.string()),
    "mixtures": pa.map_(pa.string(), pa.float64()),
    "structs": pa.struct([("awe", pa.float64()), ("fear", pa.float64())]),
}


def some(kind: str, draw: random.Random):
    """An emotion of the kind, or none; what a row then asks for is one, several, or all of the run's."""
    if draw.random() < 0.3:
        return None
    return {
        "names": "awe",
        "lists": list(MIKELS.labels[: draw.randint(1, 5)]),
        "mixtures": [("awe", 0.5), ("fear", 0.5)],
        "structs": {"awe": 1.0, "fear": None},
    }[kind]


@pytest.mark.parametrize("kind", EMOTIONS)
@pytest.mark.parametrize("limit", [0, 1200])
def test_batches_from_any_number_on_are_those_of_the_whole_plan(tmp_path, kind, limit):
    """Seed 5; 700 rows in row groups of 97, so that batches, rows and groups end at different places."""
    draw = random.Random(5)
    columns = {"prompt": [f"a dog {n}" for n in range(700)]}
    schema = pa.schema([("prompt", pa.string())])
    if EMOTIONS[kind] is not None:
        columns["emotion"] = [some(kind, draw) for _ in range(700)]
        schema = schema.append(pa.field("emotion", EMOTIONS[kind]))
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table(columns, schema), path, row_group_size=97)
    config = Config(emotions=("awe", "fear", "anger"), batch_size=7, limit=limit)
    manifest = check(str(path), MIKELS.labels, 3)
    whole = list(batches_of(manifest, config))
    assert sum(len(batch.requests) for batch in whole) == planned_requests(manifest, config)
    for first in (0, 1, 2, len(whole) // 2, len(whole) - 1, len(whole)):
        assert list(batches_of(manifest, config, first)) == whole[first:]


def test_a_request_is_found_by_its_number(tmp_path):
    path = tmp_path / "m.parquet"
    table = pa.table({"prompt": ["a"] * 4, "emotion": [["awe", "fear"], None, ["anger"], ["awe"]]})
    pq.write_table(table, path, row_group_size=2)
    places = [(0, 0), (0, 1), *[(1, n) for n in range(8)], (2, 0), (3, 0), (4, 0)]
    assert [find_request(str(path), n, 8) for n in range(13)] == places


def test_repeated_ids_are_told_by_row_whatever_else_is_wrong(tmp_path):
    path = tmp_path / "m.parquet"
    ids = ["a", "b", "a", "c", "b", "a"]
    pq.write_table(
        pa.table({"id": ids, "prompt": ["x", "x", "x", "", "x", "x"]}), path, row_group_size=2
    )
    with pytest.raises(ManifestError) as told:
        check(str(path), MIKELS.labels, 8)
    assert [(problem.row, problem.message[:20]) for problem in told.value.problems] == [
        (2, "'a' was used by row "),
        (3, "is empty; say in wor"),
        (4, "'b' was used by row "),
        (5, "'a' was used by row "),
    ]
    assert [problem.message[20] for problem in told.value.problems if problem.column == "id"] == [
        "0",
        "1",
        "0",
    ]


def test_many_repeated_ids_are_counted(tmp_path):
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"id": ["a"] * 200, "prompt": ["x"] * 200}), path)
    with pytest.raises(ManifestError, match=r"199 problem\(s\)") as told:
        check(str(path), MIKELS.labels, 8)
    assert len(told.value.problems) == 50
    assert told.value.more == 149


def scale(*arguments, cwd=None):
    command = [sys.executable, "-m", "jobs.scale", *map(str, arguments)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]


def test_scale_commands_measure_what_they_say(tmp_path):
    """Small, and without a word on speed: that is for a quiet machine (docs/scale.md)."""
    (plan,) = scale("plan", "--requests", 4000, "--folder", tmp_path)
    (named,) = scale("plan", "--requests", 4000, "--named", "--folder", tmp_path)
    assert plan["requests"] == named["requests"] == 4000
    made, resumed = scale("resume", "--shards", 12, "--requests", 4000, "--folder", tmp_path)
    assert made["shards"] == resumed["shards"] == 12
    # The batch that closed the last shard lies on disk; the next one is to be made.
    assert resumed["first"] == 13
    assert len(list(Path(tmp_path).glob("resume-*/shards/*.tar"))) == 12


def test_a_resumed_run_does_not_check_its_manifest_again(tmp_path):
    """The same bytes under the same settings were found sound: the rows are not parsed again to say so."""
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
