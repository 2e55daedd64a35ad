"""What an output's log tells of the time that requests took."""

import json
from dataclasses import replace

import pytest

from muse.diffusion.compiling import MIN_STEPS
from pipeline.config import Config
from pipeline.forecast.rates import corpus_of, measurement
from pipeline.output.run.run_file import read_run, write_run
from pipeline.storage.log import Log, reports
from tests.support.corpora import ROWS

TASKS = {"generate": 1, "edit": 0}


def test_each_batch_gives_the_seconds_of_a_request_and_counts_once(make_corpus):
    out = make_corpus(batch_size=8)
    batches = list(reports(out))
    with Log(out) as log:
        log.add({**batches[0], "seconds": 80.0})
    found = measurement(out, Config(engine="null", batch_size=8), TASKS)
    made = [sum(entry["statuses"].values()) for entry in batches]
    expected = [80.0, *(entry["seconds"] for entry in batches[1:])]
    seconds = [spent / count for spent, count in zip(expected, made, strict=True)]
    assert sorted(found.seconds) == pytest.approx(sorted(seconds))
    assert found.requests == len(ROWS)
    assert not found.on_gpu


def test_a_gpu_is_known_from_the_workers_that_had_one(make_corpus):
    out = make_corpus(batch_size=8)
    with Log(out) as log:
        log.add({"event": "ready", "pid": 1, "imports": 2.0, "models": 3.0, "device": "H200"})
    assert measurement(out, Config(engine="null", batch_size=8), TASKS).on_gpu


def test_a_run_on_gpus_that_is_long_enough_to_compile_is_told_from_one_that_did_not(make_corpus):
    out, config = make_corpus(batch_size=8), Config(engine="null", batch_size=8)
    ready = {"event": "ready", "pid": 1, "imports": 2.0, "models": 3.0, "device": "H200"}
    long = {"generate": MIN_STEPS // config.method.steps + 1, "edit": 0}
    with Log(out) as log:
        log.add({**ready, "compiling": "off: the run has 64 denoising steps"})
    assert not measurement(out, config, TASKS).caveats
    (caveat,) = measurement(out, config, long).caveats
    assert caveat.startswith("it did not compile")
    assert not any("compile" in told for told in _caveats(out, config.replace(compile="off"), long))
    with Log(out) as log:
        log.add({**ready, "compiling": "on: as the settings say"})
    assert not measurement(out, config, long).caveats


def _caveats(out, config, tasks):
    """But for that of the setting itself."""
    told = measurement(out, config, tasks).caveats
    return [caveat for caveat in told if caveat != "it was measured with another compile"]


def test_what_was_measured_with_other_settings_is_told(make_corpus):
    """A setting that has come since the run was made had its default there."""
    out = make_corpus(batch_size=8)
    config = Config(engine="null", batch_size=8)
    run = read_run(out)
    method = {name: value for name, value in run.config["method"].items() if name != "steps"}
    older = {name: run.config[name] for name in run.config if name not in ("width", "resize")}
    write_run(out, replace(run, config={**older, "method": method, "compile": False}))
    as_then = config.replace(compile=False)
    assert measurement(out, as_then, TASKS).caveats == ()
    write_run(out, replace(run, config={**older, "method": method}))
    assert measurement(out, config, TASKS).caveats == ()
    larger = config.replace(width=96, height=64, method={"steps": 9})
    assert measurement(out, larger, TASKS).caveats == (
        "it was measured with another method",
        "it was measured with another width",
        "it was measured with another height",
    )


def test_a_trial_holds_its_run_inside(tmp_path):
    assert corpus_of(tmp_path) == tmp_path
    (tmp_path / "trial.json").write_text(json.dumps({}))
    assert corpus_of(tmp_path) == tmp_path / "corpus"
