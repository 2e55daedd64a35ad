"""Sweeps: settings that differ in one thing, and gains over the default."""

import pytest

from jobs.evaluation.cases import draw_cases
from jobs.evaluation.report.tables import sweep_table
from jobs.evaluation.sweeps import DEFAULT, how_settings, sweep, which_settings
from muse.method import Method
from muse.mini import WEIGHTS

SHORT = Method(steps=3, max_updates_per_step=1)


@pytest.fixture(scope="module")
def cases():
    return draw_cases(2, 3, editing=False)


def test_the_sweep_how_changes_one_parameter_at_a_time():
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


def test_the_sweep_which_only_changes_its_weights():
    settings = {name: one.method.model_dump() for name, one in which_settings(SHORT).items()}
    default = settings.pop(DEFAULT)
    weights = {
        name: (fields.pop("inherent_weight"), fields.pop("similar_weight"))
        for name, fields in settings.items()
    }
    both = (default.pop("inherent_weight"), default.pop("similar_weight"))
    assert all(fields == default for fields in settings.values())
    assert weights["without WHICH"] == (0.0, 0.0)
    assert weights["4 x WHICH"] == (4 * both[0], 4 * both[1])
    assert len({both, *weights.values()}) == 5


@pytest.mark.research
def test_a_gain_is_paired_with_the_default(cases):
    settings = how_settings(SHORT)
    names = (DEFAULT, "tokens=1", "tiny_vae='none'")
    report = sweep(WEIGHTS, {name: settings[name] for name in names}, {"generation": cases})
    one, other, full = (report[name]["generation"] for name in names)
    assert full["cost"]["mean"] > one["cost"]["mean"], "the full decoder costs more"
    assert "gain" not in one
    assert other["gain"]["mean"] == other["right"]["mean"] - one["right"]["mean"]
    assert other["gain"]["n"] == 2
    hard = sum(case.hard for case in cases)
    assert 0 < hard < 2, "one case is hard"
    assert (
        report["tokens=1"]["hard"]["gain"]["n"]
        == report[DEFAULT]["hard"]["success_examiner"]["n"]
        == hard
    )
    assert len({line.count("|") for line in sweep_table(report)}) == 1
