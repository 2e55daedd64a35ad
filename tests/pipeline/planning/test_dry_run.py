"""The dry run: what it counts is what it lists, and what a run would make."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Config
from pipeline.planning.dry_run import dry_run


@pytest.mark.parametrize("limit", [0, 1, 9, 20, 1000])
def test_a_dry_run_counts_what_it_would_list(tmp_path, limit):
    path, out = tmp_path / "m.parquet", tmp_path / "plan.parquet"
    rows = {
        "prompt": ["a", "b", "c"],
        "emotion": [["awe", "fear"], None, ["anger"]],
        "image": [None, "x.png", None],
    }
    pq.write_table(pa.table(rows), path)
    numbers = dry_run(str(path), Config(limit=limit), out)
    listed = pq.read_table(out).to_pylist()
    assert (
        numbers["requests"]
        == len(listed)
        == sum(numbers["tasks"].values())
        == sum(numbers["emotions"].values())
    )
    for name, count in numbers["emotions"].items():
        assert count == sum(name in json.loads(row["emotion"]) for row in listed)
    assert numbers["tasks"]["edit"] == sum(row["row"] == 1 for row in listed)
