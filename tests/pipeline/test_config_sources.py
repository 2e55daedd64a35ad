"""Problems name where a value came from, also those that are found after it was read."""

import pickle

import pytest

from muse.method import Method
from pipeline.config import Config, as_dict
from pipeline.config_sources import Sources
from pipeline.errors import UserError
from pipeline.models.locate import check_models
from pipeline.models.sizes import model_sizes
from pipeline.settings import load_config


def test_the_nearest_of_what_was_given_is_named():
    sources = Sources({"method.steps": "--set", "images": "--config a.toml", "seed": "--seed"})
    assert sources.of("seed") == "--seed"
    assert sources.of("images.max_bytes") == "--config a.toml"
    assert sources.of("method") == "--set"
    assert sources.of("method.scale") == sources.of("") == "settings"


@pytest.mark.parametrize("way", ["--set", "--config", "Python"])
def test_what_a_model_refuses_names_the_option_whichever_way_it_was_given(tmp_path, way):
    """A size, a part and a method, each of which is only refused with the model at hand."""
    file = tmp_path / "run.toml"
    cases = {
        "width = 100\nheight = 64": ("width", model_sizes),
        'vae = "/nope/vae"': ("vae", check_models),
        "clip_skip = 9": ("clip_skip", check_models),
        'method.sampler = "flow"': ("method", check_models),
    }
    for text, (key, check) in cases.items():
        file.write_text(text)
        if way == "--set":
            config, source = load_config(None, text.splitlines(), {}), "--set"
        elif way == "--config":
            config, source = load_config(file, [], {}), f"--config {file}"
        else:
            given = {"width": 100, "height": 64, "vae": "/nope/vae", "clip_skip": 9}
            given |= {"method": Method(sampler="flow")}
            names = {line.split(" ")[0].split(".")[0] for line in text.splitlines()}
            config, source = Config(**{name: given[name] for name in names}), "settings"
        with pytest.raises(UserError) as caught:
            check(config.replace(seed=3))
        assert str(caught.value).startswith(f"{source}: {key}")


def test_where_values_came_from_makes_no_settings_different():
    given = load_config(None, ["seed=3"], {})
    assert given == Config(seed=3)
    assert as_dict(given) == as_dict(Config(seed=3))
    # A worker gets them, too.
    assert pickle.loads(pickle.dumps(given)).source_of("seed") == "--set"
