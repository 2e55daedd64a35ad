"""Which setting is chosen, and what is tried for it."""

import numpy as np
import torch

from jobs.evaluation.arms.models import Arm
from jobs.evaluation.arms.registry import Family
from jobs.evaluation.cases import draw_cases
from jobs.evaluation.measures.results import ArmResult
from jobs.evaluation.tuning import Bench, best_setting, tune
from muse.method import Method
from muse.request import Sample, Trace

CASES = draw_cases(2, 3, editing=False)


def _result(right, cost):
    values = {"right": np.array(right, float), "cost": np.full(2, float(cost))}
    return ArmResult(CASES, values, np.zeros((2, 8)), None, None, [], 1.0)


def test_the_best_setting_is_right_most_often_and_then_the_cheapest():
    results = {"a": _result([1, 0], 10), "b": _result([1, 1], 90), "c": _result([1, 1], 80)}
    assert best_setting(results) == "c"


class Examiners:
    """Finds every image right that is white."""

    def measure(self, pixels, cases):
        return {"right": pixels.mean((1, 2, 3)).round().numpy()}

    def probs(self, role, pixels):
        return np.zeros((len(pixels), 8))

    def variety(self, pixels, cases):
        return None

    distance = variety


class Costs:
    """A cost is the number of steps, once for each image."""

    def of_all(self, samples, method, editing, images, tokens):
        return [float(method.steps * images)] * len(samples)


def _painting(level):
    def make(models, method, cases):
        return [Sample(torch.full((4, 4, 3), level, dtype=torch.uint8), Trace()) for _ in cases]

    return make


def test_every_setting_with_as_many_images_is_tried_with_its_own_method_and_images():
    bench = Bench(None, Examiners(), Costs(), Method(steps=3))
    black, white = Arm(_painting(0), images=2), Arm(_painting(255), images=2, changes={"steps": 5})
    more = Arm(_painting(255), images=3)
    family = Family({"black": black, "white": white, "more": more}, "black")
    single = Family.of(Arm(_painting(0)))
    chosen, trials = tune(bench, {"paint": family, "plain": single}, CASES)
    assert chosen == {"paint": "white", "plain": "only"}
    assert {key: found["cost"]["mean"] for key, found in trials["paint"].items()} == {
        "black": 6,
        "white": 10,
    }
    assert "plain" not in trials
