import pytest

from pipeline.config import decisive
from pipeline.errors import UserError
from pipeline.settings import load_config


def _load(*assignments, file=None, **flags):
    return load_config(file, assignments, flags)


def test_flags_beat_set_beats_file_beats_defaults(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\nshard_size = 10\nbatch_size = 4\n[method]\nsteps = 30\n")
    config = _load("seed=2", "batch_size=5", "method.tokens=3", file=file, batch_size=6)
    assert (config.seed, config.shard_size, config.batch_size) == (2, 10, 6)
    assert (config.method.steps, config.method.tokens) == (30, 3)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("sed=1", "unknown key sed; did you mean seed?"),
        ("method.step=1", "did you mean method.steps?"),
        ("seed=high", "seed = 'high' is not of type int"),
        ("batch_size=0", "batch_size is 0; give a number from 1"),
        ("method.strength=2.0", "method.strength is 2.0"),
        ("method.timing=soon", "choose fixed, threshold, settled, plateau, never"),
        ("emotions=['joy']", "unknown emotion 'joy'"),
        ("executor=slurm", "choose ray, local"),
        ("image_format=bmp", "choose png, jpg, webp"),
        ("seed", "write key=value"),
        ("min_confidence=nan", "min_confidence is nan"),
        ("filters.beauty=nan", "filters.beauty is nan, which refuses nothing"),
        (
            "filter_models.safety=/models/safety",
            "filter_models.safety is '/models/safety'; write FOLDER:LABEL",
        ),
        ("filter_models.safety=/models/safety:normal", "has no threshold; set filters.safety"),
    ],
)
def test_mistakes_are_named_with_their_remedy(assignment, message):
    with pytest.raises(UserError) as caught:
        _load(assignment)
    assert message in str(caught.value)


def test_the_threshold_of_a_filters_model_is_a_probability():
    with pytest.raises(UserError, match=r"filters.safety is 5; it is a probability"):
        _load("filters.safety=5", "filter_models.safety=/models/safety:normal")


def test_a_broken_or_missing_file(tmp_path):
    (tmp_path / "bad.toml").write_text("seed = = 1")
    with pytest.raises(UserError, match="not valid TOML"):
        _load(file=tmp_path / "bad.toml")
    with pytest.raises(UserError, match="cannot be read"):
        _load(file=tmp_path / "none.toml")


def test_a_judge_that_is_the_guide_is_refused():
    with pytest.raises(UserError, match="give another classifier as --judge"):
        _load(guide="x", judge="x")


def test_where_a_run_computes_does_not_decide_its_bytes():
    assert decisive(_load(workers=1)) == decisive(
        _load(workers=4, address="ray://x", gpus_per_worker=0.5, executor="local")
    )
    assert decisive(_load(seed=1)) != decisive(_load(seed=2))
