"""Forecasts, from measurements written by hand."""

import pytest

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.forecast.forecast import duration, forecast, forecast_for, request_seconds
from pipeline.forecast.rates import Measurement


def _measured(seconds, **changes):
    values = {"start_seconds": 30.0, "requests": 8 * len(seconds), "on_gpu": True, **changes}
    return Measurement("out", seconds, **values)


def test_the_time_is_that_of_the_busiest_worker_and_of_the_models():
    # 1,000 requests in 125 batches of 8, on 10 workers: 13 batches for the busiest.
    expected = forecast(_measured([2.0] * 9), 1000, 8, 10, 1.0, 3.0)
    assert expected.seconds.middle == pytest.approx(13 * 8 * 2.0 + 30)
    assert expected.gpu_hours.middle == pytest.approx(expected.seconds.middle * 10 / 3600)
    assert expected.cost.middle == pytest.approx(expected.gpu_hours.middle * 3.0)
    assert expected.seconds.low < expected.seconds.middle < expected.seconds.high
    assert expected.caveats == ()


def test_without_gpus_or_a_price_there_is_no_cost():
    assert forecast(_measured([2.0]), 10, 8, 1, 0.0, 3.0).cost is None
    assert forecast(_measured([2.0]), 10, 8, 1, 0.0, 3.0).gpu_hours.middle == 0
    assert forecast(_measured([2.0]), 10, 8, 1, 1.0, None).cost is None


def test_the_range_is_a_guess_for_few_batches_and_then_narrows_to_a_tenth():
    few = forecast(_measured([2.0, 2.0]), 10, 8, 1, 1.0, None)
    assert "fewer than 5 batches" in few.caveats[-1]
    limits = request_seconds([2.0, 2.0], 100)
    assert (limits.low, limits.high) == (1.0, 3.0)
    steady = request_seconds([2.0] * 20, 100)
    assert (steady.low, steady.high) == pytest.approx((1.8, 2.2))
    noisy = [1.0, 3.0] * 10
    assert request_seconds(noisy, 10).high > request_seconds(noisy, 1000).high > 2.2


def test_in_what_the_measured_run_differs_from_a_plan_is_reported(make_corpus):
    out = make_corpus(batch_size=8)
    config = Config(engine="null", batch_size=8, candidates=4)
    expected = forecast_for(out, config, {"generate": 50, "edit": 50})
    assert "it was measured with another candidates" in expected.caveats
    assert any("of its requests were edits" in caveat for caveat in expected.caveats)
    assert expected.workers == 1
    assert expected.gpu_hours.middle == 0
    as_json = expected.as_json()
    assert as_json["seconds"]["low"] <= as_json["seconds"]["middle"]


def test_what_a_trial_was_measured_under_is_assumed_of_the_run(make_corpus, tmp_path):
    make_corpus("try/corpus", batch_size=8)
    config = Config(engine="null", batch_size=8)
    assert forecast_for(tmp_path / "try" / "corpus", config, {"generate": 9}).assumes == ""
    machine = "an otherwise idle machine like that of the trial"
    trial = tmp_path / "try" / "trial.json"
    trial.write_text("{}")
    expected = forecast_for(tmp_path / "try", config, {"generate": 9}).as_json()
    assert expected["assumes"] == f"{machine}, and a core for each of the workers' threads, 1"
    trial.write_text('{"cores": 2}')
    config = config.replace(workers=4, threads=2)
    assert forecast_for(tmp_path / "try", config, {"generate": 9}).assumes == (
        f"{machine}, and a core for each of the workers' threads, 8 (the trial's had 2)"
    )


@pytest.mark.parametrize("figures", ["[]", '{"cores": "two"}', '{"cores": -1}', '{"cores": true}'])
def test_damaged_figures_of_a_trial_are_refused(make_corpus, tmp_path, figures):
    make_corpus("try/corpus", batch_size=8)
    (tmp_path / "try" / "trial.json").write_text(figures)
    with pytest.raises(UserError, match=r"trial\.json is damaged; make the trial again"):
        forecast_for(tmp_path / "try", Config(engine="null"), {"generate": 9})


def test_an_output_without_a_batch_is_refused_with_the_remedy(make_corpus):
    out = make_corpus(batch_size=8)
    (out / "_state" / "log.jsonl").unlink()
    with pytest.raises(UserError, match="muse-batch try"):
        forecast_for(out, Config(engine="null"), {"generate": 1, "edit": 0})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(50, "50 s"), (720, "12 min"), (12600, "3.5 h"), (180000, "2.1 days")],
)
def test_a_duration_is_shown_as_a_person_says_it(seconds, text):
    assert duration(seconds) == text
