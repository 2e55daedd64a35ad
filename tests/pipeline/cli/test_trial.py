"""`muse-batch try`, then `plan --from`."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from pipeline.cli import app

NULL = ("--set", "engine=null")


def _call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_trial_prints_its_images_and_what_they_took_and_a_plan_forecasts_from_it(tmp_path):
    rows = [{"prompt": f"a dog {n}", "emotion": "awe"} for n in range(40)]
    manifest, folder = tmp_path / "m.parquet", tmp_path / "try"
    pq.write_table(pa.Table.from_pylist(rows), manifest)
    tried = _call("try", manifest, "--output", folder, "--rows", "0,5,7", *NULL)
    assert tried.exit_code == 0, tried.output
    assert tried.output.count("generate") >= 3
    assert "batch size that fits" in tried.output
    planned = _call("plan", manifest, "--from", folder, "--json", *NULL)
    assert planned.exit_code == 0, planned.output
    expected = json.loads(planned.stdout)["forecast"]
    assert expected["seconds"]["middle"] > 0
    assert expected["cost"] is None
    assert "3 requests" in expected["basis"]
    table = _call("plan", manifest, "--from", folder, *NULL).output
    assert "on 1 worker(s)" in table
    without = _call("plan", manifest, *NULL).output
    assert "not known; `muse-batch try` measures a few images" in " ".join(without.split())


def test_rows_that_are_no_numbers_are_a_mistake(tmp_path):
    wrong = _call("try", tmp_path / "m.parquet", "--rows", "one")
    assert wrong.exit_code == 2
    assert "comma-separated, as 0,4,7" in wrong.output
