"""The benchmark end to end: random weights and the embedded model, at few steps."""

import json
import runpy

import pytest
import torch
import typer

from jobs.benchmark import benchmark
from jobs.benchmark.full_size import utilisation
from jobs.evaluation.cases import draw_cases

SEED = 3


@pytest.mark.research
def test_random_weights_end_to_end(tmp_path, monkeypatch):
    # Fewer steps than are measured on a GPU, and enough time for a busy machine.
    monkeypatch.setattr(utilisation, "METHOD", utilisation.METHOD.replace(steps=20))
    monkeypatch.setattr(utilisation, "BUDGET_S", 10_000.0)
    file = tmp_path / "report.json"
    benchmark.main(file, model="tiny", threads=1)
    report = json.loads(file.read_text())
    assert list(report["ratios"]) == list(benchmark.RATIOS)
    assert report["ratios"]["seconds_vs_reference"] > 0
    assert report["ratios"]["pipeline_overhead"] is None
    assert {row["arm"] for row in report["full"]} == {"tiny decoder", "exact"}
    assert report["flat"]["images"] == 8
    assert "network" in report["parts"]
    assert "| tiny decoder | 20 |" in file.with_suffix(".md").read_text()
    assert file.with_suffix(".png").stat().st_size > 10_000


@pytest.mark.research
def test_the_embedded_model_end_to_end(tmp_path, monkeypatch):
    """Two requests at three steps, one of them hard: the report, its table and its plot."""
    monkeypatch.setitem(benchmark.SUITES, "smallest", benchmark.Suite(2, 2, 2, timed=2, slow=1))
    assert {case.hard for case in draw_cases(2, SEED, editing=False)} == {False, True}
    file = tmp_path / "report.json"
    benchmark.main(
        file, suite="smallest", seed=SEED, threads=1, set_=["steps=3", "max_updates_per_step=1"]
    )
    report = json.loads(file.read_text())
    assert list(report["ratios"]) == list(benchmark.RATIOS)
    for name in (
        "batch_vs_single",
        "refill_vs_lockstep",
        "pipeline_overhead",
        "status_seconds",
        "fraction_of_matmul",
    ):
        assert report["ratios"][name] is not None
    assert 0 < report["ratios"]["fraction_of_matmul"] < 1
    assert [row["slots"] for row in report["slots"]] == [1, 2]
    arms = report["arms"]
    assert {name: arm["requests"] for name, arm in arms.items()} == {
        "words": 2,
        "engine": 2,
        "reference": 1,
        "exact_same": 1,
        "engine_same": 1,
    }
    # The same request by both; to the classifiers the images are the same.
    assert arms["exact_same"]["feature_distance"] < 0.01
    assert arms["exact_same"]["accepted"] == arms["reference"]["accepted"]
    assert arms["engine_same"]["cost"] < arms["exact_same"]["cost"]
    for arm in arms.values():
        assert (arm["seconds_per_accepted"] is None) == (arm["accepted"] == 0)
    assert report["command"]["same_images"]
    assert report["peak_memory_mb"] > 100
    assert report["seconds"] > report["command"]["steady"]
    table = file.with_suffix(".md").read_text()
    assert "| engine_same | 1 |" in table
    assert "| acceptance_cost_vs_rejection_hard |" in table
    assert file.with_suffix(".png").stat().st_size > 10_000


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_full_size_without_a_gpu_is_refused(tmp_path):
    with pytest.raises(typer.BadParameter, match="sd15 needs a CUDA device"):
        benchmark.main(model="sd15", threads=1)
    with pytest.raises(
        typer.BadParameter, match="'sd99' is unknown; choose embedded, sd15, sdxl, sd35, flux, tiny"
    ):
        benchmark.main(model="sd99", threads=1)


def test_the_worst_emotion_decides_and_one_without_images_leaves_no_ratio():
    def plan(cost, accepted):
        return {"accepted": accepted, "curve": [[cost, accepted]]}

    emotions = {
        "rejection": {"awe": plan(30.0, 1.0), "fear": plan(40.0, 1.0)},
        "muse": {"awe": plan(10.0, 1.0), "fear": plan(20.0, 1.0)},
    }
    plans = dict.fromkeys(("rejection", "rejection_hard"), plan(30.0, 1.0))
    plans |= dict.fromkeys(("direction", "direction_hard"), plan(60.0, 1.0))
    plans |= dict.fromkeys(("muse", "muse_hard"), plan(15.0, 1.0))
    ratios = benchmark.acceptance_ratios(plans, emotions)
    assert ratios["acceptance_cost_vs_rejection"] == 2.0
    assert ratios["acceptance_cost_vs_direction_hard"] == 4.0
    assert ratios["acceptance_cost_vs_rejection_worst"] == 2.0
    emotions["muse"]["fear"] = plan(20.0, 0.0)
    ratios = benchmark.acceptance_ratios(plans, emotions)
    assert ratios["acceptance_cost_vs_rejection_worst"] is None


def test_the_package_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["jobs.benchmark", "--help"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module("jobs.benchmark", run_name="__main__")
    assert done.value.code == 0
    assert "--model" in capsys.readouterr().out
