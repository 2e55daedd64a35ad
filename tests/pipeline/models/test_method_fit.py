"""What is told of a method before a run: here of fitted tokens; the rest is in `test_locate`."""

import shutil

import numpy as np
import pytest

from muse.emotions import MIKELS
from muse.guidance.fitted_tokens_file import TokensFile
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.method_fit import model_warnings

MODELS = str(WEIGHTS / "diffusion"), str(WEIGHTS / "clip")


def _warnings(tmp_path, method, **alone):
    file = tmp_path / "t.safetensors"
    vectors = {name: np.ones((8, 96), np.float32) for name in MIKELS.labels}
    file.write_bytes(TokensFile(vectors, alone).as_bytes())
    return model_warnings(Config(method=method, fitted_tokens=str(file)), *MODELS)


def test_parameters_of_updates_that_are_not_made_are_named(tmp_path):
    method = Method(learning_rate=0.3, steps=30, warm_start=False)
    (warning,) = _warnings(tmp_path, method, awe=0.95, fear=0.9, anger=0.8)
    assert warning.startswith(
        "method.warm_start, method.learning_rate: no effect on images of awe, fear alone"
    )
    assert 'method.updates = "always"' in warning


def test_where_tokens_are_updated_or_none_is_used_nothing_is_told(tmp_path):
    assert _warnings(tmp_path, Method(learning_rate=0.3), anger=0.8) == []
    assert _warnings(tmp_path, Method(learning_rate=0.3, updates="always"), awe=1.0) == []
    assert _warnings(tmp_path, Method(learning_rate=0.3, tokens=4), awe=1.0) == []
    assert _warnings(tmp_path, Method(steps=30), awe=1.0) == []


def test_emotions_without_tokens_are_named(tmp_path):
    file = tmp_path / "t.safetensors"
    file.write_bytes(TokensFile({"awe": np.ones((2, 96), np.float32)}).as_bytes())
    (warning,) = model_warnings(Config(fitted_tokens=str(file)), *MODELS)
    assert "has no tokens for amusement, contentment" in warning
    assert model_warnings(Config(fitted_tokens="none"), *MODELS) == []


def test_what_has_no_effect_beside_fitted_tokens_is_told(tmp_path):
    (never,) = _warnings(tmp_path, Method(timing="never"), awe=1.0)
    assert "fitted_tokens: no effect with method.timing = never" in never
    from_words = Config(method=Method(timing="never"), fitted_tokens="none")
    assert model_warnings(from_words, *MODELS) == []
    method = Method(updates="always")
    (without,) = model_warnings(Config(method=method, fitted_tokens="none"), *MODELS)
    assert "method.updates: no effect without fitted tokens" in without


def test_tokens_of_other_emotions_are_refused(tmp_path):
    file = tmp_path / "t.safetensors"
    file.write_bytes(TokensFile({"joy": np.ones((2, 96), np.float32)}).as_bytes())
    with pytest.raises(UserError, match="has tokens for joy, none of which is an emotion of"):
        model_warnings(Config(fitted_tokens=str(file)), *MODELS)


def test_it_is_told_where_content_is_judged_by_what_steers_it(tmp_path):
    own = str(shutil.copytree(WEIGHTS / "clip", tmp_path / "clip"))
    settings = {"similarity": own, "min_similarity": 0.3, "fitted_tokens": "none"}
    models = MODELS[0], own
    (warning,) = model_warnings(Config(**settings), *models)
    assert "min_similarity: images are judged by the CLIP that they were optimised against" in (
        warning
    )
    for quiet in (
        {"content_judge": "embedded"},
        {"min_similarity": -1.0},
        {"method": Method(content_weight=0.0)},
        {"method": Method(timing="never")},
    ):
        assert model_warnings(Config(**settings | quiet), *models) == []


@pytest.mark.parametrize(
    ("method", "unread"),
    [
        ({"timing_level": 0.8, "timing_latest": 0.2}, ["timing_latest", "timing_level"]),
        ({"timing": "fixed", "timing_level": 0.2, "timing_latest": 0.5}, ["timing_latest"]),
        ({"timing": "threshold", "timing_level": 0.8, "timing_latest": 0.2}, []),
        ({"content_weight": 0.0, "timing_level": 0.8}, []),
        ({"timing": "never", "timing_level": 0.8}, []),
    ],
)
def test_what_the_start_of_guidance_does_not_read_is_named(method, unread):
    config = Config(method=Method(**method), fitted_tokens="none")
    warnings = model_warnings(config, *MODELS)
    assert [warning.split(":")[0] for warning in warnings] == [f"method.{n}" for n in unread]
