"""The cost of accepted images, on candidates of known cost."""

import pytest

from jobs.benchmark import acceptance_cost
from jobs.benchmark.acceptance_cost import (
    Candidate,
    by_emotion,
    draw_until_accepted,
    gain,
    summary,
)
from jobs.evaluation.cases import Case, draw_cases

ROUND = [Candidate(i, 10.0, accepted=i > 1, confirmed=i > 2) for i in range(10)]
"""Ten requests drawn once; the first two are rejected."""


def test_the_cost_of_a_plan_is_that_until_nine_of_ten_requests_have_an_image():
    short = summary(ROUND, 10)
    assert (short["reached"], short["accepted"], short["cost_per_request"]) == (False, 0.8, 10.0)
    again = [
        Candidate(0, 15.0, accepted=True, confirmed=True),
        Candidate(1, 40.0, accepted=False, confirmed=False),
    ]
    whole = summary(ROUND + again, 10)
    assert (whole["reached"], whole["accepted"], whole["cost_per_request"]) == (True, 0.9, 11.5)
    assert whole["confirmed"] == pytest.approx(8 / 9, abs=1e-4)
    assert whole["curve"][-1] == [15.5, 0.9]


def test_drawing_goes_on_until_the_hard_requests_have_images_too(monkeypatch):
    """Twenty requests; the only hard one is accepted at its third draw, so 95 % are not enough."""
    cases = draw_cases(400, 3, editing=False)
    cases = [case for case in cases if not case.hard][:19] + [case for case in cases if case.hard][
        :1
    ]
    rounds = []

    def draw(_bench, _arm, drawn):
        rounds.append([number for number, _ in drawn])
        return [
            Candidate(i, 1.0, accepted=i != 19 or len(rounds) == 3, confirmed=True)
            for i in rounds[-1]
        ]

    monkeypatch.setattr(acceptance_cost, "_draw", draw)
    found = draw_until_accepted(None, "words", cases, max_candidates=9)
    assert rounds == [list(range(20)), [19], [19]]
    assert len(found) == 22


def test_costs_are_split_by_emotion():
    cases = [Case("beach", "dog", "awe" if number % 2 else "fear", 0, "") for number in range(10)]
    report = by_emotion([*ROUND, Candidate(1, 30.0, accepted=True, confirmed=True)], cases)
    curves = {name: figures.pop("curve") for name, figures in report.items()}
    assert report["awe"] == {"requests": 5, "cost_per_request": 16.0, "accepted": 1.0}
    assert report["fear"] == {"requests": 5, "cost_per_request": 10.0, "accepted": 0.8}
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
        # Both reach the goal; later costs do not count.
        ([[10, 0.5], [60, 0.9], [90, 1.0]], [[10, 0.5], [20, 0.95]], 3.0),
        # Rejection falls short: its total cost.
        ([[10, 0.2], [80, 0.7]], [[10, 0.5], [20, 0.9]], 4.0),
        # The method falls short: both up to its share.
        ([[10, 0.2], [30, 0.6], [90, 0.9]], [[15, 0.6], [60, 0.6]], 2.0),
        ([[10, 0.2], [30, 0.5]], [[15, 0.6], [60, 0.6]], 2.0),
        ([[10, 0.2]], [[15, 0.0]], None),
    ],
)
def test_a_gain_is_that_at_the_share_that_the_method_reached(rejection, muse, expected):
    assert (
        gain(*({"accepted": curve[-1][1], "curve": curve} for curve in (rejection, muse)))
        == expected
    )
