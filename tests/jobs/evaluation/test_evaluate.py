"""The command of the evaluation: its report at few steps, and mistakes in its options."""

import errno
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from jobs.evaluation import evaluate, kept
from jobs.evaluation.arms.registry import FROM_WORDS, NAMES, WHOLE
from muse.emotions import MIKELS

METRICS = {
    *(
        "success_examiner",
        "success_judge",
        "success_guide",
        "gap",
        "clip_gap",
        "clip_t",
        "content",
        "place",
        "subject",
        "right",
    ),
    *("inherent_left", "moved", "cost", "seconds", "sem_c", "sem_d", "kid"),
}
EDITS = {"emo_s", "ssim", "psnr", "feature_distance", "clip_i"}


def _cli(*arguments):
    app = Typer()
    app.command()(evaluate.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The quick suite with nine cases a task (of mixtures eight), three steps, a content term."""
    file = tmp_path_factory.mktemp("evaluate") / "figures.json"
    settings = []
    for setting in ("steps=3", "max_updates_per_step=1", "content_weight=1"):
        settings += ["--set", setting]
    done = _cli("--count", 9, *settings, "--json", file)
    assert done.exit_code == 0, done.output
    return json.loads(file.read_text()), file


@pytest.mark.research
def test_the_report_has_the_documented_keys(report):
    figures_of, _ = report
    assert set(figures_of["arms"]) == set(NAMES)
    for arm, tasks in figures_of["arms"].items():
        expected = set() if arm == "sdedit" else {"generation", "hard"}
        expected |= {"editing", "hard_edits"}
        expected |= set() if arm in ("plain", "oracle", "sdedit") else {"mixtures"}
        assert set(tasks) == expected
        for task, figures in tasks.items():
            is_hard = task.startswith("hard")
            whole = {"sem_d", "seconds", "kid"}
            assert set(figures) >= (METRICS - whole if is_hard else METRICS - {"sem_d"})
            is_edit = task in ("editing", "hard_edits")
            assert set(figures) >= EDITS if is_edit else not EDITS & set(figures)
            assert ("seconds" in figures) == (not is_hard)
            for name, figure in figures.items():
                if name == "seconds":
                    assert set(figure) == {"mean", "n"}
                    continue
                assert set(figure) == {"mean", "low", "high", "n"}
                assert figure["low"] <= figure["mean"] <= figure["high"] or name == "kid", name
    assert figures_of["differences"]["plain"]["generation"]["cost"]["mean"] > 0
    by_emotion = figures_of["splits"]["right"]["emotion"]["muse"]["generation"]
    assert set(by_emotion) == set(MIKELS.labels)
    assert set(figures_of["splits"]["right"]["polarity"]["muse"]["editing"]) == {
        "positive",
        "negative",
    }
    assert np.sum(figures_of["confusion"]["muse"]["generation"]) == 9
    assert figures_of["labels"] == list(MIKELS.labels)
    assert figures_of["chosen"]["editing"]["sdedit"] == "0.9"
    assert figures_of["settings"] == figures_of["equal_cost"] == {}
    assert set(figures_of["mixtures"]) == {
        "mixture",
        "single",
        "no-which",
        "gain",
        "which",
        "rendered",
    }
    assert figures_of["mixtures"]["mixture"]["judge_mass"]["n"] == 4
    assert figures_of["left_out"] == {}


@pytest.mark.research
def test_the_full_suite_tunes_on_other_requests_and_makes_every_setting(tmp_path):
    file = tmp_path / "figures.json"
    short = ("--set", "steps=3", "--set", "max_updates_per_step=1", "--tasks", "editing")
    options = ("--suite", "full", "--count", 2, "--arms", "muse,words,sdedit,direction")
    done = _cli(*options, *short, "--json", file)
    assert done.exit_code == 0, done.output
    figures = json.loads(file.read_text())
    assert set(figures["trials"]["editing"]) == {"words", "sdedit", "direction"}, "not the default"
    assert set(figures["settings"]["words"]) == {"x1", "x1.5", "x2", "x3"}
    chosen = figures["chosen"]["editing"]
    for arm, setting in chosen.items():
        mean = figures["settings"][arm][setting]["editing"]["right"]["mean"]
        assert mean == figures["arms"][arm]["editing"]["right"]["mean"]
    assert figures["equal_cost"]["editing"]["arm"] in {"words", "sdedit", "direction"}
    assert "sdedit_at_equal_success" in figures
    table = file.with_suffix(".md").read_text()
    assert "at equal cost" in table


@pytest.mark.research
def test_the_full_suite_mixes_emotions_in_the_chosen_setting_and_with_reported_contents(
    tmp_path, monkeypatch
):
    """The images of the arms are those of the mixtures, which are not made twice."""
    arms = {"mixtures": (WHOLE, "muse-no-which")}
    monkeypatch.setitem(evaluate.SUITES, "full", replace(evaluate.SUITES["full"], arms=arms))
    file = tmp_path / "figures.json"
    short = ("--set", "steps=3", "--set", "max_updates_per_step=1", "--tasks", "mixtures")
    done = _cli("--suite", "full", "--count", 2, *short, "--json", file)
    assert done.exit_code == 0, done.output
    figures = json.loads(file.read_text())
    for arm, run in ((WHOLE, "mixture"), ("muse-no-which", "no-which")):
        made, mixed = figures["arms"][arm]["mixtures"], figures["mixtures"][run]
        assert mixed["content"] == made["content"]
        for role in ("judge", "examiner"):
            assert mixed[f"{role}_top3"] == made[f"success_{role}"]
            assert mixed[f"{role}_mass"] == made[f"confidence_{role}"]


@pytest.mark.research
def test_an_ablation_by_itself_has_the_setting_that_is_best_for_the_whole(tmp_path):
    file = tmp_path / "figures.json"
    short = ("--set", "steps=3", "--set", "max_updates_per_step=1", "--tasks", "generation")
    options = ("--suite", "full", "--count", 1, "--arms", "muse-no-when")
    done = _cli(*options, *short, "--json", file)
    assert done.exit_code == 0, done.output
    figures = json.loads(file.read_text())
    assert set(figures["arms"]) == {"muse-no-when"}
    assert set(figures["trials"]["generation"][WHOLE]) == set(FROM_WORDS)
    assert figures["chosen"]["generation"][WHOLE] in FROM_WORDS
    assert figures["settings"] == {}


@pytest.mark.research
def test_an_ablation_of_what_is_not_there_is_left_out_and_said_so(tmp_path):
    file = tmp_path / "figures.json"
    done = _cli(
        "--arms", "muse-no-content", "--count", 1, "--set", "content_weight=0", "--json", file
    )
    assert done.exit_code == 0, done.output
    line = f"`muse-no-content` is left out of generation: the setting of `{WHOLE}` has nothing"
    assert line in done.output
    assert line in file.with_suffix(".md").read_text()
    figures = json.loads(file.read_text())
    assert figures["arms"] == figures["mixtures"] == {}
    assert set(figures["left_out"]) == {"generation", "editing", "mixtures"}
    assert figures["left_out"]["mixtures"] == ["muse-no-content"]


def test_no_figure_is_reported_of_the_tuning_seed():
    done = _cli("--suite", "full", "--seed", evaluate.TUNING_SEED)
    assert done.exit_code == 2
    assert "give another --seed" in done.output


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
        assert f"(`{arm}`) |" in table
    for name in ("right", "differences", "emotions", "curves"):
        assert (file.parent / f"figures-{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.research
def test_a_sweep_has_the_start_of_each_setting(tmp_path):
    file = tmp_path / "sweep.json"
    short = ("--set", "steps=4", "--set", "max_updates_per_step=1", "--tasks", "generation")
    done = _cli("--sweep", "when", "--count", 2, *short, "--json", file)
    assert done.exit_code == 0, done.output
    swept = json.loads(file.read_text())["sweep"]
    assert swept["fixed 0"]["generation"]["start"]["mean"] == 0
    assert swept["fixed 0.5"]["generation"]["start"]["mean"] == 0.5
    assert {"default", "threshold 0.8", "never"} <= set(swept)
    assert "start" not in swept["never"]["generation"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arms", "muse,oracel"], "'oracel' is unknown; choose from"),
        (["--suite", "slow"], "choose from quick, full"),
        (["--dtype", "int8"], "choose from auto, float32, bfloat16, float16"),
        (["--sweep", "where"], "choose from when, how, which"),
        (["--set", "token=2"], "did you mean method.tokens"),
        (["--set", "tokens"], "'tokens': write key=value"),
        (["--manifest", "nowhere.parquet"], "cannot be opened"),
        (["--manifest", "a.parquet", "--seed", "5"], "--seed: the rows of a manifest have"),
        (["--sweep", "which", "--arms", "words"], "not --arms; leave one out"),
        (["--count", "0"], "should be greater than or equal to 1"),
        (["--threads", "0"], "should be greater than or equal to 1"),
        (["--weights", "nowhere"], "has no folder diffusion, clip"),
        (["--json", "report.md"], "is no file whose name ends in .json"),
        (
            ["--tasks", "generation", "--arms", "sdedit"],
            "--arms sdedit makes nothing of generation",
        ),
        (["--tasks", "mixtures", "--sweep", "when"], "name other --tasks"),
    ],
)
def test_a_mistake_gets_a_message_with_the_remedy(arguments, message):
    done = _cli(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())


def test_ctrl_c_tells_what_is_kept(monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "run", interrupted)
    lost, kept_ = _cli("--count", 1), _cli("--count", 1, "--work", tmp_path)
    assert lost.exit_code == kept_.exit_code == 130
    assert "give --work to keep it" in lost.output
    assert f"{tmp_path} keeps what is finished" in kept_.output


def test_the_package_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["jobs.evaluation", "--help"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module("jobs.evaluation", run_name="__main__")
    assert done.value.code == 0
    assert "--sweep" in capsys.readouterr().out


def _without_times(file):
    """The report's bytes without `minutes` and `seconds`, which no two runs share."""

    def timeless(part):
        if not isinstance(part, dict):
            return part
        kept = {name: value for name, value in part.items() if name not in ("minutes", "seconds")}
        return {name: timeless(value) for name, value in kept.items()}

    return json.dumps(timeless(json.loads(file.read_text())), indent=2)


def _fill_disk_after(monkeypatch, files):
    """The disk is full once so many files are written."""
    written, write = [], kept.write_bytes

    def write_bytes(path, data):
        if len(written) == files:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        return write(path, data)

    monkeypatch.setattr(kept, "write_bytes", write_bytes)


@pytest.mark.research
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("options", "files"),
    [
        (["--suite", "full", "--arms", "words,best-of-n", "--tasks", "generation"], 25),
        (["--suite", "quick"], 9),
        (["--sweep", "which", "--tasks", "generation"], 7),
    ],
)
def test_no_figure_changes_by_interruptions(tmp_path, monkeypatch, options, files):
    """Tuning and every setting; edits, mixtures and curves; a sweep."""
    few = {"generation": (WHOLE,), "editing": ("sdedit",), "mixtures": (WHOLE, "muse-no-which")}
    monkeypatch.setitem(evaluate.SUITES, "quick", replace(evaluate.SUITES["quick"], arms=few))
    short = ["--set", "steps=2", "--set", "max_updates_per_step=1", "--count", 2]
    whole, resumed, work = tmp_path / "whole.json", tmp_path / "resumed.json", tmp_path / "work"
    done = _cli(*options, *short, "--json", whole)
    assert done.exit_code == 0, done.output
    ends = []
    while not ends or ends[-1]:
        assert len(ends) < 20, "each session goes on"
        with monkeypatch.context() as patch:
            _fill_disk_after(patch, files)
            done = _cli(*options, *short, "--work", work, "--json", resumed)
        ends.append(done.exit_code)
        # The message is broken into lines within a frame.
        assert done.exit_code == 0 or "make room" in " ".join(done.output.replace("│", "").split())
        assert resumed.exists() == (done.exit_code == 0)
    assert len(ends) > 1, "it was interrupted"
    assert _without_times(resumed) == _without_times(whole)


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_a_killed_evaluation_goes_on_with_the_same_command(tmp_path):
    """Both arms have two batches; it is killed in the midst of them."""
    command = [sys.executable, "-m", "jobs.evaluation", "--threads", "1", "--set", "steps=2"]
    command += ["--set", "max_updates_per_step=1", "--count", "17", "--tasks", "generation"]
    command += ["--arms", "plain,words", "--json"]
    whole, resumed, work = tmp_path / "whole.json", tmp_path / "resumed.json", tmp_path / "work"
    subprocess.run([*command, whole], check=True)
    first = subprocess.Popen([*command, resumed, "--work", work])
    while len([*work.rglob("samples/*/*.safetensors")]) < 2:
        assert first.poll() is None, "it ended before it was killed"
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not resumed.exists()
    earlier = {file: file.stat().st_mtime_ns for file in work.rglob("*.safetensors")}
    subprocess.run([*command, resumed, "--work", work], check=True)
    assert _without_times(resumed) == _without_times(whole)
    assert {file: file.stat().st_mtime_ns for file in earlier} == earlier
    assert len([*work.rglob("samples/*/*.safetensors")]) == 4


def test_a_folder_of_another_evaluation_is_refused_by_name(tmp_path):
    _cli("--arms", "muse", "--manifest", "nowhere.parquet", "--work", tmp_path)
    assert not [*tmp_path.iterdir()], "a mistake claims no folder"
    kept.Kept.of(tmp_path, {"suite": "quick", "seed": 3001})
    done = _cli("--suite", "full", "--work", tmp_path)
    assert done.exit_code == 2
    message = " ".join(done.output.replace("│", " ").split())
    assert 'suite: "quick" -> "full"' in message
    assert "another --work" in message
