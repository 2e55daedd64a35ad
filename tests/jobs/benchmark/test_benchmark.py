"""The benchmark: its stopwatch, the split of a run's start, its plain loops; and random weights, end to end, small."""

import json
import time

import pytest
import torch
import typer

from jobs.benchmark import acceptance_cost as satisfaction
from jobs.benchmark import benchmark, utilisation
from jobs.benchmark import command_timing as command
from jobs.benchmark.acceptance_cost import Drawn, by_emotion, gain, summary
from jobs.benchmark.cost import gflop
from jobs.benchmark.stopwatch import Stopwatch
from jobs.evaluation.cases import Case, draw_cases
from muse.emotions import Target
from muse.engine import MuseEngine
from muse.method import Method
from muse.request import Request

DRAWN = [Drawn(number, 10.0, accepted=number > 1, agreed=number > 2) for number in range(10)]
"""Ten requests drawn once; the first two are refused."""

QUICK = ["method.steps=3", "method.max_updates_per_step=1"]
SEED = 3


def test_the_cost_of_a_plan_is_what_was_spent_until_nine_of_ten_hold_an_image():
    short = summary(DRAWN, 10)
    assert (short["reached"], short["satisfied"], short["cost_per_request"]) == (False, 0.8, 10.0)
    again = [
        Drawn(0, 15.0, accepted=True, agreed=True),
        Drawn(1, 40.0, accepted=False, agreed=False),
    ]
    told = summary(DRAWN + again, 10)
    assert (told["reached"], told["satisfied"], told["cost_per_request"]) == (True, 0.9, 11.5)
    assert told["examiner_agrees"] == pytest.approx(8 / 9, abs=1e-4)
    assert told["curve"][-1] == [15.5, 0.9]


def test_drawing_goes_on_until_the_hard_requests_are_satisfied_too(monkeypatch):
    """Twenty requests, of which the one that is hard is accepted at its third draw: 95 % are not enough."""
    cases = draw_cases(400, SEED, editing=False)
    cases = [case for case in cases if not case.hard][:19] + [case for case in cases if case.hard][
        :1
    ]
    rounds = []

    def drawn(_models, _examiners, _costs, _method, _arm, asked):
        rounds.append([number for number, _ in asked])
        return [
            Drawn(i, 1.0, accepted=i != 19 or len(rounds) == 3, agreed=True) for i in rounds[-1]
        ]

    monkeypatch.setattr(satisfaction, "_draw", drawn)
    found = satisfaction.satisfy(None, None, None, None, "prompted", cases, most=9)
    assert rounds == [list(range(20)), [19], [19]]
    assert len(found) == 22


def test_each_emotion_answers_for_its_own_requests():
    cases = [Case("beach", "dog", "awe" if number % 2 else "fear", 0, "") for number in range(10)]
    told = by_emotion([*DRAWN, Drawn(1, 30.0, accepted=True, agreed=True)], cases)
    curves = {name: each.pop("curve") for name, each in told.items()}
    assert told["awe"] == {"requests": 5, "cost_per_request": 16.0, "satisfied": 1.0}
    assert told["fear"] == {"requests": 5, "cost_per_request": 10.0, "satisfied": 0.8}
    assert curves["awe"] == [
        [2.0, 0.0],
        [4.0, 0.2],
        [6.0, 0.4],
        [8.0, 0.6],
        [10.0, 0.8],
        [16.0, 1.0],
    ]


@pytest.mark.parametrize(
    ("rejection", "muse", "expected"),
    [
        # Both reach the goal; what comes after it costs nothing.
        ([[10, 0.5], [60, 0.9], [90, 1.0]], [[10, 0.5], [20, 0.95]], 3.0),
        # Rejection falls short: all that it spent.
        ([[10, 0.2], [80, 0.7]], [[10, 0.5], [20, 0.9]], 4.0),
        # The method falls short: both until its share, without what it tried in vain, and whatever rejection reached.
        ([[10, 0.2], [30, 0.6], [90, 0.9]], [[15, 0.6], [60, 0.6]], 2.0),
        ([[10, 0.2], [30, 0.5]], [[15, 0.6], [60, 0.6]], 2.0),
        ([[10, 0.2]], [[15, 0.0]], None),
    ],
)
def test_a_gain_is_that_at_the_share_which_the_method_reached(rejection, muse, expected):
    assert (
        gain(*({"satisfied": curve[-1][1], "curve": curve} for curve in (rejection, muse)))
        == expected
    )


@pytest.mark.parametrize("enough", [0.0, 0.125, 1.0])
@pytest.mark.parametrize("slots", [0, 2])
def test_forwards_are_the_rows_that_the_network_saw(
    enough, slots, random_backbone, random_guide, random_clip, monkeypatch
):
    """A row that is read twice, for its gradient; no row that nobody asked for. Generation and an edit, together."""
    seen, predict = [], random_backbone.predict

    def watched(latents, timesteps, conditioning):
        seen.append((len(latents), conditioning.context.requires_grad))
        return predict(latents, timesteps, conditioning)

    monkeypatch.setattr(random_backbone, "predict", watched)
    method = Method(
        steps=5,
        max_updates_per_step=2,
        guidance_end=0.8,
        timing="threshold",
        timing_level=1.0,
        timing_latest=0.2,
    )
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    requests = [
        Request("a dog in a forest", Target.of("awe"), 1),
        Request("a cat by a pond", Target.of("fear"), 2, image=image),
        Request("a car in a city", Target.of({"fear": 0.5, "sadness": 0.5}), 3),
    ]
    method = method.replace(stop_confidence=enough)
    samples = MuseEngine(random_backbone, random_guide, random_clip, method, slots).run(requests)
    traces = [sample.trace for sample in samples]
    assert sum(rows * (2 if read else 1) for rows, read in seen) == sum(
        trace.nfe for trace in traces
    )
    assert sum(rows for rows, read in seen if read) == sum(
        trace.guide_gradients for trace in traces
    )
    if enough != 0.125:
        assert all((trace.guide_forwards > 0) == (enough == 0.0) for trace in traces)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is put forward by hand."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


class Kitchen:
    def __init__(self, clock):
        self.clock = clock

    def cook(self):
        self.clock[0] += 1
        self.wash()
        self.season()

    def wash(self):
        self.clock[0] += 10

    def season(self):
        self.clock[0] += 100
        self.wash()


def test_a_part_stops_the_clock_of_the_one_around_it(clock):
    watch, kitchen = Stopwatch(), Kitchen(clock)
    with (
        watch.watch(kitchen, "cook", "cooking"),
        watch.watch(kitchen, "season", "seasoning"),
        watch.watch(kitchen, "wash", "washing", inside="cooking"),
    ):
        kitchen.cook()
        kitchen.wash()
    assert watch.seconds == {"cooking": 1, "seasoning": 110, "washing": 10}
    kitchen.cook()
    assert sum(watch.seconds.values()) == 121


def test_the_parts_of_a_start_add_up_to_the_first_image():
    lines = [
        {"event": "start", "at": 9.5, "checked": 3.0, "connected": 7.0},
        {"event": "placed", "at": 8.0, "pid": 1},
        {"event": "placed", "at": 8.5, "pid": 2},
        {"event": "ready", "at": 13.0, "pid": 1, "imports": 4.0, "models": 0.9},
        {"batch": 0, "at": 20.0, "seconds": 6.9},
        {"batch": 1, "at": 26.0, "seconds": 5.9},
    ]
    split = command.startup(lines, began=1.0)
    assert split == {
        "checks": 2.0,
        "ray": 4.0,
        "worker": 1.0,
        "libraries": 4.0,
        "models": 1.0,
        "first_batch": 7.0,
    }
    assert sum(split.values()) == 20.0 - 1.0


def test_a_run_tells_its_start_and_the_loop_beside_it_makes_the_same():
    told = command.measure([*QUICK, "min_confidence=0.0"], images=6, batch=2)
    assert (told["accepted"], told["same_images"]) == (6, True)
    assert all(taken > 0 for taken in told["startup"].values())
    assert told["worker"] <= told["steady"]
    assert 0 < told["help_seconds"] < told["first_image_seconds"]
    assert told["status_seconds"] > 0
    assert {"network", "guide", "gradient", "full decoder", "similarity", "writing"} <= set(
        told["parts"]
    )


@pytest.fixture(scope="module")
def bench():
    return utilisation.Bench("tiny", torch.device("cpu"), torch.float32)


def test_operations_of_all_steps_lie_in_a_line_with_those_of_few(bench, monkeypatch):
    # Fewer steps than are measured on a GPU: they are counted one by one.
    monkeypatch.setattr(utilisation, "METHOD", utilisation.METHOD.replace(steps=20))
    guessed = utilisation.tflop(bench, "tiny decoder")[utilisation.METHOD.steps]
    counted = gflop(lambda: bench.make("tiny decoder", utilisation.METHOD, 1)) / 1000
    assert guessed == pytest.approx(counted, rel=1e-6)


def test_the_sweep_ends_where_memory_does(bench, monkeypatch):
    made = []

    def make(arm, method, rows):
        if rows > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        made.append(rows)

    monkeypatch.setattr(bench, "make", make)
    assert [row["rows"] for row in utilisation.sweep(bench, "exact", 1.0)] == [1]
    assert made == [1, 1]
    assert utilisation.flat(bench, 2) is None


def test_no_measurement_begins_that_would_end_too_late(bench, monkeypatch):
    monkeypatch.setattr(utilisation, "SECONDS", time.monotonic() - bench.began + 60)
    assert bench.timed(lambda: None, expected=50) is not None
    assert bench.timed(lambda: None, expected=70) is None


def test_random_weights_end_to_end(tmp_path, monkeypatch):
    # Fewer steps than are measured on a GPU, and all the time that a busy machine may need.
    monkeypatch.setattr(utilisation, "METHOD", utilisation.METHOD.replace(steps=20))
    monkeypatch.setattr(utilisation, "SECONDS", 10_000.0)
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


@pytest.mark.slow
def test_the_embedded_model_end_to_end(tmp_path, monkeypatch):
    """Two requests at three steps, of which one is hard: the whole report, its table and its plot."""
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
        "prompted": 2,
        "engine": 2,
        "reference": 1,
        "exact_same": 1,
        "engine_same": 1,
    }
    # The same request by both; their images are not told apart by what the classifiers see.
    assert arms["exact_same"]["feature_distance"] < 0.01
    assert arms["exact_same"]["accepted"] == arms["reference"]["accepted"]
    assert arms["engine_same"]["forwards"] < arms["exact_same"]["forwards"]
    for arm in arms.values():
        assert (arm["seconds_per_accepted"] is None) == (arm["accepted"] == 0)
    assert report["command"]["same_images"]
    assert report["peak_memory_mb"] > 100
    assert report["seconds"] > report["command"]["steady"]
    table = file.with_suffix(".md").read_text()
    assert "| engine_same | 1 |" in table
    assert "| satisfied_cost_vs_rejection_hard |" in table
    assert file.with_suffix(".png").stat().st_size > 10_000


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_full_size_without_a_gpu_is_refused(tmp_path):
    with pytest.raises(typer.BadParameter, match="sd15 needs a CUDA device"):
        benchmark.main(model="sd15", threads=1)
    with pytest.raises(typer.BadParameter, match="choose embedded, sd15, sdxl, tiny"):
        benchmark.main(model="sd99", threads=1)
