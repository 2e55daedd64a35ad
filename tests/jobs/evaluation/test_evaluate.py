"""The command of the evaluation: its report at few steps, and mistakes in its options."""

import json
import runpy

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from jobs.evaluation import evaluate
from jobs.evaluation.arms import NAMES
from muse.emotions import MIKELS

METRICS = {
    *(
        "success_examiner",
        "success_judge",
        "success_guide",
        "gap",
        "clip_t",
        "content",
        "place",
        "subject",
        "right",
    ),
    *("inherent_left", "moved", "cost", "seconds", "sem_d"),
}
EDITS = {"emo_s", "ssim", "psnr", "feature_distance", "clip_i"}


def _cli(*arguments):
    app = Typer()
    app.command()(evaluate.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The quick suite with nine cases a task, three steps."""
    file = tmp_path_factory.mktemp("evaluate") / "figures.json"
    done = _cli("--count", 9, "--set", "steps=3", "--set", "max_updates_per_step=1", "--json", file)
    assert done.exit_code == 0, done.output
    return json.loads(file.read_text()), file


@pytest.mark.research
def test_the_report_has_the_documented_keys(report):
    figures_of, _ = report
    everywhere = {"plain", "prompted", "oracle", "muse"}
    assert set(figures_of["arms"]) == {*NAMES, "inversion"}
    for arm, tasks in figures_of["arms"].items():
        expected = (
            set() if arm.startswith("sdedit") or arm == "inversion" else {"generation", "hard"}
        )
        expected |= (
            {"editing", "hard_edits"}
            if arm in everywhere or arm.startswith("sdedit") or arm == "inversion"
            else set()
        )
        assert set(tasks) == expected
        for task, figures in tasks.items():
            is_hard = task.startswith("hard")
            assert set(figures) >= (METRICS - {"sem_d", "seconds"} if is_hard else METRICS)
            assert (
                set(figures) >= EDITS
                if task in ("editing", "hard_edits")
                else not EDITS & set(figures)
            )
            assert ("seconds" in figures) == (not is_hard)
            for name, figure in figures.items():
                if name == "seconds":
                    assert set(figure) == {"mean", "n"}
                    continue
                assert set(figure) == {"mean", "low", "high", "n"}
                assert figure["low"] <= figure["mean"] <= figure["high"], name
                assert figure["n"] == 9 or is_hard or name == "sem_d"
    assert figures_of["arms"]["inversion"]["editing"] == figures_of["arms"]["prompted"]["editing"]
    assert figures_of["differences"]["plain"]["generation"]["cost"]["mean"] > 0
    assert set(figures_of["emotions"]["muse"]["generation"]) == set(MIKELS.labels)
    assert np.sum(figures_of["confusion"]["muse"]["generation"]) == 9
    assert figures_of["labels"] == list(MIKELS.labels)
    assert set(figures_of["mixtures"]) == {
        "mixture",
        "single",
        "no-which",
        "gain",
        "which",
        "rendered",
    }
    assert figures_of["mixtures"]["mixture"]["judge_mass"]["n"] == 9
    same = figures_of["sdedit_at_equal_success"]
    assert same is None or "ssim" in same


@pytest.mark.research
def test_curves_have_every_step_and_the_start_of_guidance(report):
    figures, _ = report
    assert len(figures["curves"]) == evaluate.SUITES["quick"].curves
    for curve in figures["curves"]:
        assert len(curve["similarity"]) == 3
        assert curve["start"] in range(3)


@pytest.mark.research
def test_tables_and_plots_are_written_beside_the_report(report):
    _, file = report
    table = file.with_suffix(".md").read_text()
    for arm in NAMES:
        assert f"| {arm} |" in table
    for name in ("cost", "content", "ssim", "curves"):
        assert (file.parent / f"figures-{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.research
def test_the_cost_of_rejection_has_every_draw(report):
    figures, _ = report
    cost = {
        arm: figures["arms"][arm]["generation"]["cost"]["mean"]
        for arm in ("prompted", "muse", "rejection")
    }
    draws = figures["draws"]["generation"]
    assert cost["rejection"] == pytest.approx(draws * cost["prompted"])
    # Rounded up in favour of rejection, by less than a draw.
    assert 0 <= cost["rejection"] - cost["muse"] < cost["prompted"]


@pytest.mark.research
def test_a_sweep_has_the_start_of_each_setting(tmp_path):
    file = tmp_path / "sweep.json"
    short = ("--set", "steps=4", "--set", "max_updates_per_step=1", "--tasks", "generation")
    done = _cli("--sweep", "when", "--count", 2, *short, "--json", file)
    assert done.exit_code == 0, done.output
    swept = json.loads(file.read_text())["sweep"]
    assert swept["fixed 0"]["generation"]["start"]["mean"] == 0
    assert swept["fixed 0.5"]["generation"]["start"]["mean"] == 0.5
    assert {"threshold", "plateau", "never"} <= set(swept)
    assert "start" not in swept["never"]["generation"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arms", "muse,oracel"], "'oracel' is unknown; choose from"),
        (["--suite", "slow"], "choose from quick, full"),
        (["--sweep", "where"], "choose from when, how, which, latent"),
        (["--set", "token=2"], "did you mean method.tokens"),
        (["--manifest", "nowhere.parquet"], "cannot be opened"),
    ],
)
def test_a_mistake_gets_a_message_with_the_remedy(arguments, message):
    done = _cli(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())


def test_the_package_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["jobs.evaluation", "--help"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module("jobs.evaluation", run_name="__main__")
    assert done.value.code == 0
    assert "--sweep" in capsys.readouterr().out
