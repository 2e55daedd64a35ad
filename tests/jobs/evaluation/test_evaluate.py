"""The evaluation on the embedded model, at few steps: its report, its arms, what they cost."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from jobs.benchmark.cost import count, gflop
from jobs.evaluation import arms, evaluate
from jobs.evaluation.arms import (
    NAMES,
    Models,
    best_of,
    load,
    noise_of,
    pixels_of,
    run_arm,
    sdedit,
    verdicts,
)
from jobs.evaluation.cases import draw_cases, draw_mixtures
from jobs.evaluation.sweeps import DEFAULT, how_settings, sweep, which_settings
from jobs.evaluation.tables import sweep_table
from muse.emotions import MIKELS
from muse.emotions.probabilities import Probabilities
from muse.method import Method
from muse.mini import WEIGHTS
from muse.request import Sample, Trace

SHORT = Method(steps=3, max_updates_per_step=1)
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
    *("inherent_left", "moved", "forwards", "seconds", "sem_d"),
}
EDITS = {"emo_s", "ssim", "psnr", "feature_distance", "clip_i"}


@pytest.fixture(scope="module")
def cases():
    return draw_cases(2, 3, editing=False)


@pytest.fixture(scope="module")
def edits():
    return draw_cases(2, 3, editing=True)


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


def test_the_report_has_the_documented_keys(report):
    told, _ = report
    everywhere = {"plain", "prompted", "oracle", "muse"}
    assert set(told["arms"]) == {*NAMES, "inversion"}
    for arm, tasks in told["arms"].items():
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
            apart = task.startswith("hard")
            assert set(figures) >= (METRICS - {"sem_d", "seconds"} if apart else METRICS)
            assert (
                set(figures) >= EDITS
                if task in ("editing", "hard_edits")
                else not EDITS & set(figures)
            )
            assert ("seconds" in figures) == (not apart)
            for name, figure in figures.items():
                if name == "seconds":
                    assert set(figure) == {"mean", "n"}
                    continue
                assert set(figure) == {"mean", "low", "high", "n"}
                assert figure["low"] <= figure["mean"] <= figure["high"], name
                assert figure["n"] == 9 or apart or name == "sem_d"
    assert told["arms"]["inversion"]["editing"] == told["arms"]["prompted"]["editing"]
    assert told["differences"]["plain"]["generation"]["forwards"]["mean"] > 0
    assert set(told["emotions"]["muse"]["generation"]) == set(MIKELS.labels)
    assert np.sum(told["confusion"]["muse"]["generation"]) == 9
    assert told["labels"] == list(MIKELS.labels)
    assert set(told["mixtures"]) == {"mixture", "single", "no-which", "gain", "which", "rendered"}
    assert told["mixtures"]["mixture"]["judge_mass"]["n"] == 9
    same = told["sdedit_at_equal_success"]
    assert same is None or "ssim" in same


def test_curves_are_whole_and_know_their_start(report):
    told, _ = report
    assert len(told["curves"]) == evaluate.SUITES["quick"].curves
    for curve in told["curves"]:
        assert len(curve["similarity"]) == 3
        assert curve["start"] in range(3)


def test_tables_and_plots_lie_beside_the_report(report):
    _, file = report
    table = file.with_suffix(".md").read_text()
    for arm in NAMES:
        assert f"| {arm} |" in table
    for name in ("cost", "content", "ssim", "curves"):
        assert (file.parent / f"figures-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_rejection_pays_for_every_draw(report):
    told, _ = report
    cost = {
        arm: told["arms"][arm]["generation"]["forwards"]["mean"]
        for arm in ("prompted", "muse", "rejection")
    }
    draws = told["draws"]["generation"]
    assert cost["rejection"] == pytest.approx(draws * cost["prompted"])
    # Rounded up in favour of rejection, by less than a draw.
    assert 0 <= cost["rejection"] - cost["muse"] < cost["prompted"]


@pytest.mark.parametrize(
    ("muse", "draws"), [(40.0, 1), (41.0, 2), (80.0, 2), (110.0, 3), (10.0, 1)]
)
def test_draws_cost_at_least_what_muse_does(muse, draws):
    assert (
        evaluate.draws_for({"forwards": np.array([muse])}, {"forwards": np.array([30.0, 50.0])})
        == draws
    )


@pytest.mark.parametrize(
    ("arm", "task", "margin"),
    # A push of `latent` goes elsewhere than a reading, and `sdedit` asks neither guide nor CLIP.
    [
        ("prompted", "generation", 0.002),
        ("muse", "generation", 0.002),
        ("muse", "editing", 0.002),
        ("latent", "generation", 0.01),
        ("sdedit-0.9", "editing", 0.01),
    ],
)
def test_costs_are_the_operations_that_torch_counts(arm, task, margin, cases, edits, monkeypatch):
    """All that one request takes, against the sum of its parts. Four steps, of which the last is after `until`."""
    models, method = load(WEIGHTS), SHORT.replace(steps=4)
    predict = models.backbone.predict
    # Torch's counter cannot follow a gradient to what a module was given itself.
    monkeypatch.setattr(
        models.backbone, "predict", lambda latents, *rest: predict(latents.clone(), *rest)
    )
    costs, some, made = count(models), (edits if task == "editing" else cases)[:1], []
    counted = gflop(lambda: made.extend(arms.ARMS[arm](models, method, some))) / costs.forward
    assert costs.each(made, method, task == "editing") == [pytest.approx(counted, rel=margin)]


def test_costs_of_several_traces_add(cases):
    models = load(WEIGHTS)
    costs = count(models)
    once, thrice = (
        costs.each(best_of(models, SHORT, cases, draws), SHORT, pictures=draws) for draws in (1, 3)
    )
    assert thrice == pytest.approx([3 * cost for cost in once])


def test_rejection_takes_what_the_judge_is_surest_of(cases):
    models = load(WEIGHTS)

    def sure(samples):
        return verdicts(models, cases, pixels_of(samples))

    once, thrice = (best_of(models, SHORT, cases, draws) for draws in (1, 3))
    alone = arms.ARMS["prompted"](models, SHORT, cases)
    assert [a.pixels.tolist() for a in once] == [b.pixels.tolist() for b in alone]
    assert (sure(thrice) >= sure(once)).all()
    assert [s.trace.nfe for s in thrice] == [3 * s.trace.nfe for s in once]


def test_rejection_keeps_the_best_draw_of_each_case(cases, monkeypatch):
    """Draws of known worth: the judge is sure of the first case's second draw and the second case's first."""
    worth = iter([torch.tensor([0.1, 0.9]), torch.tensor([0.8, 0.2])])
    drawn = iter([1, 2])

    class Judge:
        def probs(self, pixels):
            probs = torch.full((2, 8), 1e-9)
            for row, (case, value) in enumerate(zip(cases, next(worth), strict=True)):
                probs[row, MIKELS.index(case.emotion)] = value
                probs[row, (MIKELS.index(case.emotion) + 1) % 8] = 1 - value
            return Probabilities.from_softmax(probs.log())

    def once(models, method, cases):
        number = next(drawn)
        return [
            Sample(torch.full((64, 64, 3), number, dtype=torch.uint8), Trace(nfe=5)) for _ in cases
        ]

    monkeypatch.setitem(arms.ARMS, "prompted", once)
    models = load(WEIGHTS)
    best = best_of(Models(models.backbone, models.guide, Judge(), models.clip), SHORT, cases, 2)
    assert [int(sample.pixels[0, 0, 0]) for sample in best] == [2, 1]
    assert [sample.trace.nfe for sample in best] == [10, 10]


def test_the_plain_loops_start_from_the_engines_noise(cases, edits):
    """Without a push `latent` is the engine's plain sampling; at full strength `sdedit` forgets its source."""
    unpushed = SHORT.replace(guidance_end=0.0)
    for some in (cases, edits):
        ours, theirs = (run_arm(WEIGHTS, unpushed, arm, some)[0] for arm in ("latent", "plain"))
        # Two levels of 255: batches of another make-up sum floats in another order.
        assert (ours - theirs).abs().max() <= 2 / 255 + 1e-6
    made = pixels_of(sdedit(load(WEIGHTS), SHORT, edits, strength=1.0))
    asked, _, _ = run_arm(
        WEIGHTS, SHORT, "prompted", [replace(case, source=None) for case in edits]
    )
    assert (made - asked).abs().max() <= 2 / 255 + 1e-6


def test_noise_depends_on_the_case_alone(cases):
    models = load(WEIGHTS)
    together, alone = noise_of(models, cases)[0], noise_of(models, cases[1:])[0]
    assert torch.equal(together[1:], alone)


def test_a_latent_push_moves_the_guide(cases):
    """At full length of steps; on these two cases the guide gains 0.1 or more in the mean."""
    method = Method(steps=8)
    guide = load(WEIGHTS).guide
    goal = torch.tensor([case.target.weights for case in cases])
    pushed, plain = (run_arm(WEIGHTS, method, arm, cases)[0] for arm in ("latent", "plain"))
    gain = ((guide.probs(pushed).p - guide.probs(plain).p) * goal).sum(-1)
    assert gain.mean() > 0.1


def test_without_when_guidance_starts_at_once_and_without_which_nothing_is_lowered(cases):
    started = run_arm(
        WEIGHTS, SHORT.replace(timing_level=1.0, timing_latest=0.5), "muse-no-when", cases
    )[1]
    assert [sample.trace.start_step for sample in started] == [0, 0]
    bare = SHORT.replace(inherent_weight=0.0, similar_weight=0.0, balance=1.0)
    dropped, same = (
        run_arm(WEIGHTS, m, arm, cases) for m, arm in ((SHORT, "muse-no-which"), (bare, "muse"))
    )
    assert torch.equal(dropped[0], same[0])


def test_mixtures_cover_every_pair_before_any_comes_twice():
    drawn = [frozenset((case.emotion, case.second)) for case in draw_mixtures(30, 0)]
    assert len(set(drawn[:28])) == 28
    assert all(len(pair) == 2 for pair in drawn)
    assert draw_mixtures(1, 0)[0].target.name.count("0.5") == 2


def test_a_sweep_knows_where_each_setting_started(tmp_path):
    file = tmp_path / "sweep.json"
    short = ("--set", "steps=4", "--set", "max_updates_per_step=1", "--tasks", "generation")
    done = _cli("--sweep", "when", "--count", 2, *short, "--json", file)
    assert done.exit_code == 0, done.output
    swept = json.loads(file.read_text())["sweep"]
    assert swept["fixed 0"]["generation"]["start"]["mean"] == 0
    assert swept["fixed 0.5"]["generation"]["start"]["mean"] == 0.5
    assert {"threshold", "plateau", "never"} <= set(swept)
    assert "start" not in swept["never"]["generation"]


def test_the_sweep_of_how_changes_one_thing_at_a_time():
    settings = {
        name: one.method.model_dump() | dict(one.backbone)
        for name, one in how_settings(Method()).items()
    }
    default = settings.pop(DEFAULT)
    assert default == Method().model_dump()
    for name, changed in settings.items():
        assert {key for key, value in changed.items() if value != default.get(key)} == {
            name.split("=")[0]
        }


def test_the_sweep_of_which_changes_its_weights_alone():
    settings = {name: one.method.model_dump() for name, one in which_settings(SHORT).items()}
    default = settings.pop(DEFAULT)
    weights = {
        name: (told.pop("inherent_weight"), told.pop("similar_weight"))
        for name, told in settings.items()
    }
    both = (default.pop("inherent_weight"), default.pop("similar_weight"))
    assert all(told == default for told in settings.values())
    assert weights["without WHICH"] == (0.0, 0.0)
    assert weights["4 x WHICH"] == (4 * both[0], 4 * both[1])
    assert len({both, *weights.values()}) == 5


def test_a_gain_is_paired_with_the_default(cases):
    settings = how_settings(SHORT)
    names = (DEFAULT, "tokens=1", "tiny_vae='none'")
    told = sweep(WEIGHTS, {name: settings[name] for name in names}, {"generation": cases})
    one, other, full = (told[name]["generation"] for name in names)
    assert full["forwards"]["mean"] > one["forwards"]["mean"], "its readings are dearer"
    assert "gain" not in one
    assert (
        other["gain"]["mean"] == other["success_examiner"]["mean"] - one["success_examiner"]["mean"]
    )
    assert other["gain"]["n"] == 2
    hard = sum(case.hard for case in cases)
    assert 0 < hard < 2, "hard requests are told apart"
    assert (
        told["tokens=1"]["hard"]["gain"]["n"]
        == told[DEFAULT]["hard"]["success_examiner"]["n"]
        == hard
    )
    assert len({line.count("|") for line in sweep_table(told)}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arms", "muse,oracel"], "there is no 'oracel'"),
        (["--suite", "slow"], "choose from quick, full"),
        (["--sweep", "where"], "choose from when, how, which, latent"),
        (["--set", "token=2"], "did you mean method.tokens"),
        (["--manifest", "nowhere.parquet"], "cannot be opened"),
        (["--arms", "rejection", "--count", "1"], "it needs muse,prompted too"),
    ],
)
def test_a_mistake_is_told(arguments, said):
    done = _cli(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
