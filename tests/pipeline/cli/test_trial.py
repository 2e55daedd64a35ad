"""`muse-batch try`, then `plan --from`."""

import json
import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.forecast.memory import MemoryUse
from pipeline.output.run.run_file import read_run

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


def _next_of(done):
    assert done.exit_code == 0, done.output
    return shlex.split(done.stdout.splitlines()[-1].removeprefix("Next: muse-batch "))


@pytest.mark.parametrize(
    ("given", "said", "carried"),
    [
        (["--batch-size", "64"], "batch_size of the run 3 instead of 64", ["--batch-size", "3"]),
        (["--set", "batch_size=64"], "of the run 3 instead of 64", ["--batch-size", "3"]),
        (["--set", "slots=5"], "slots of the run 3 instead of 5", ["--set", "slots=3"]),
        (["--batch-size", "2"], "batch_size of the run 2, as it was", ["--batch-size", "2"]),
    ],
)
def test_the_batch_size_that_fits_is_in_the_next_command_and_in_that_of_its_plan(
    tmp_path, monkeypatch, given, said, carried
):
    rows = [{"prompt": f"a dog {n}", "emotion": "awe"} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    monkeypatch.setattr(MemoryUse, "fits", 3)
    monkeypatch.chdir(tmp_path)
    tried = _call("try", "m.parquet", *given, *NULL)
    assert said in " ".join(tried.output.split())
    words = _next_of(tried)
    assert words[:4] == ["plan", "m.parquet", "--from", "try"]
    assert sorted(words[4:]) == sorted([*carried, *NULL])
    # Copied as they are printed.
    planned = _next_of(_call(*words))
    assert planned[0] == "run"
    assert sorted(planned[4:]) == sorted([*carried, *NULL])
    made = _call(*planned, "--executor", "local", "--set", "report=false")
    assert made.exit_code == 0, made.output
    name, value = carried[-1].split("=") if "=" in carried[-1] else ("batch_size", carried[-1])
    assert read_run(tmp_path / "out").config[name] == int(value)
