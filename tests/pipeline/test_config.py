import pickle

import pytest

from manifests import check
from muse import sizes
from muse.emotions import MIKELS
from muse.emotions.taxonomies import EMOTION6
from muse.guidance.content_levels import LEVELS_FILE
from pipeline.config import Config, as_dict, fingerprint_settings
from pipeline.config_models import with_current_values
from pipeline.errors import UserError
from pipeline.settings import load_config, revised


def _load(*assignments, file=None, **flags):
    return load_config(file, assignments, flags)


def test_flags_and_set_beat_the_file_which_beats_defaults(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\nshard_size = 10\nbatch_size = 4\n[method]\nsteps = 30\n")
    config = _load("seed=2", "method.tokens=3", file=file, batch_size=6)
    assert (config.seed, config.shard_size, config.batch_size) == (2, 10, 6)
    assert (config.method.steps, config.method.tokens) == (30, 3)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("sed=1", "--set: unknown key sed; did you mean seed?"),
        ("method.step=1", "did you mean method.steps?"),
        ("steps=30", "unknown key steps; did you mean method.steps?"),
        ("private=true", "did you mean images.allow_private?"),
        ("metod.steps=30", "unknown key metod; did you mean method?"),
        ("happiness=1", "unknown key happiness; `muse-batch config` prints all settings"),
        ("seed=high", "seed is 'high'; give a whole number from 0"),
        ("batch_size=0", "batch_size is 0; give a whole number from 1 to 1024"),
        ("batch_size=true", "batch_size is True; give a whole number from 1 to 1024"),
        ("method.strength=2.0", "method.strength is 2.0; give a number from 0 to 1"),
        ("method.timing=soon", "method.timing is 'soon'; give one of auto, threshold"),
        ("emotions=['joy']", "unknown emotion 'joy'"),
        ("emotions='awe'", "emotions is 'awe'; give a list of texts"),
        ("lora=[1]", "lora.0 is 1; give text"),
        ("embeddings=['a']", "unknown key embeddings; did you mean embedding?"),
        ("executor=slurm", "give one of ray, local"),
        ("image_format=bmp", "give one of png, jpg, webp"),
        ("taxonomy=mikel", "taxonomy: unknown taxonomy 'mikel'; did you mean 'mikels-8'?"),
        ("taxonomy=3", "taxonomy is 3; give the name of a taxonomy, a .toml file or a table"),
        ("label_map.giude.x=joy", "label_map has giude; it has the tables guide and judge"),
        ("label_map.guide.x=3", "label_map.guide.x is 3; give text"),
        ("seed", "write key=value"),
        ("min_confidence=nan", "min_confidence is nan; give a number from 0 to 1"),
        ("filters.beauty=nan", "filters.beauty is nan; give a number"),
        (
            "filter_models.safety=/models/safety",
            "filter_models.safety is '/models/safety'; write FOLDER:LABEL",
        ),
        ("filter_models.safety=/models/safety:normal", "has no threshold; set filters.safety"),
        ("faults.delay=1", "unknown key faults"),
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
    assert fingerprint_settings(_load(workers=1)) == fingerprint_settings(
        _load(workers=4, address="ray://x", gpus_per_worker=0.5, executor="local")
    )
    # Runs from before there were embeddings go on.
    assert "embedding" not in fingerprint_settings(_load())
    assert fingerprint_settings(_load("embedding=['a:<b>']"))["embedding"] == ("a:<b>",)
    assert fingerprint_settings(_load(seed=1)) != fingerprint_settings(_load(seed=2))


def test_all_problems_are_reported_at_once_each_with_where_it_came_from(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("shard_size = 0\n[method]\nstrength = 2.0\nfoo = 1\n")
    with pytest.raises(UserError) as caught:
        _load("seed=high", file=file, batch_size=7000)
    assert set(str(caught.value).split("\n")) == {
        f"--config {file}: shard_size is 0; give a whole number from 1 to 1000000",
        f"--config {file}: method.strength is 2.0; give a number from 0 to 1",
        f"--config {file}: unknown key method.foo; `muse-batch config` prints all settings",
        "--set: seed is 'high'; give a whole number from 0",
        "--batch-size: batch_size is 7000; give a whole number from 1 to 1024",
    }


def test_settings_survive_a_trip_to_a_worker_and_cannot_be_changed():
    config = _load("method.steps=30", "lora=['a', ' b']", "filters.beauty=1")
    assert pickle.loads(pickle.dumps(config)) == config
    assert (config.lora, config.filters) == (("a", "b"), {"beauty": 1.0})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        config.method.replace(steps=0)


def test_rows_and_settings_have_the_same_limit_of_a_side():
    """Manifests import nothing of `muse`, so it stands in both."""
    assert check.MAX_PIXELS == sizes.MAX_SIDE


def test_what_a_row_asks_for_follows_the_taxonomy():
    config = Config()
    assert config.emotions == MIKELS.labels
    assert config.replace(taxonomy="emotion6").emotions == EMOTION6.labels
    assert _load("emotions=['Awe']").emotions == ("awe",)


@pytest.mark.parametrize(
    ("faults", "stored"),
    [('{"delay": 0.5, "failures": 0.1}', {"delay": 0.5, "failures": 0.1}), ("{}", None)],
)
def test_faults_come_from_the_environment_alone_and_leave_no_trace_unless_given(
    monkeypatch, faults, stored
):
    monkeypatch.setenv("MUSE_BATCH_TEST_FAULTS", faults)
    config = _load()
    assert as_dict(config).get("faults") == stored
    assert "delay" not in fingerprint_settings(config).get("faults", {}), "it changes no byte"
    assert revised(as_dict(config), ["min_confidence=0.1"], {}).faults == config.faults
    monkeypatch.setenv("MUSE_BATCH_TEST_FAULTS", '{"delay": -1}')
    with pytest.raises(UserError, match="MUSE_BATCH_TEST_FAULTS"):
        _load()


@pytest.mark.parametrize("key", ["lora", "embedding"])
def test_files_without_a_name_are_refused(key):
    with pytest.raises(ValueError, match=f"{key}: one of the list is empty; give a file"):
        Config(**{key: ("a.safetensors", " ")})


def _clip(folder, text):
    folder.mkdir()
    (folder / LEVELS_FILE).write_text(text)
    return str(folder)


def test_content_is_accepted_at_the_level_of_its_judge_unless_another_is_given(tmp_path):
    own = _clip(tmp_path / "clip", '{"min_similarity": 0.25}')
    for settings, levels in (
        ({}, (0.5, 0.5)),
        ({"min_similarity": 0.3}, (0.3, 0.5)),
        ({"min_similarity": -1.0, "min_source_similarity": -0.5}, (-1.0, -0.5)),
        ({"similarity": own}, (0.25, -1.0)),
        ({"content_judge": own}, (0.25, -1.0)),
        ({"similarity": own, "content_judge": "embedded"}, (0.5, 0.5)),
        ({"similarity": "owner/clip"}, (-1.0, -1.0)),
        ({"engine": "null"}, (-1.0, -1.0)),
    ):
        config = Config(**settings)
        assert (config.min_similarity, config.min_source_similarity) == levels
        stored = as_dict(config)
        assert (stored["min_similarity"], stored["min_source_similarity"]) == levels


def test_levels_that_cannot_be_read_are_named_with_their_file(tmp_path):
    own = _clip(tmp_path / "clip", '{"min_similarity": 25}')
    with pytest.raises(UserError, match=r"clip/similarity\.json may have the keys"):
        _load(f"similarity={own}")


def test_settings_that_are_gone_do_not_keep_an_older_corpus_from_being_used():
    stored = as_dict(Config())
    assert with_current_values(stored | {"retry_strategy": "reseed"}) == stored
    assert with_current_values(stored | {"retry_strategy": "auto"}) != stored
    assert with_current_values({"another": None}) == {"another": None}
    for strategy in ("reseed", "auto"):
        assert as_dict(revised(stored | {"retry_strategy": strategy}, [], {})) == stored
