import tomllib
from pathlib import Path

import jsonschema
import pytest

from pipeline.config import Config, as_dict
from pipeline.settings import load_config
from pipeline.settings.fields import fields_of, limits
from pipeline.settings.reference import as_markdown, as_toml

PAGE = Path("docs/settings.md")
SETTINGS = (
    "method.steps=30",
    "lora=['a\"b', 'é\\u007f']",
    "label_map.guide.happiness=joy",
    "label_map.judge={'two words' = 'fear', b = ''}",
    "filters.beauty=0.5",
    "images.schemes=[]",
    "emotions=['joy', 'fear']",
    "method.scheduler={timestep_spacing = 'trailing', use_karras_sigmas = true}",
)


def _read_back(config, folder):
    file = folder / "settings.toml"
    file.write_text(as_toml(config))
    return load_config(file, [], {})


@pytest.mark.parametrize("taxonomy", ["mikels-8", "emotion6", "table"])
def test_the_printed_settings_are_accepted_and_mean_the_same(tmp_path, taxonomy):
    assert as_dict(_read_back(Config(), tmp_path)) == as_dict(Config())
    more = {"mikels-8": [], "emotion6": ["taxonomy=emotion6", *SETTINGS]}
    table = "taxonomy={name = 'moods', labels = ['joy', 'fear'], polarity = [1, -1], wheel = []}"
    config = load_config(None, more.get(taxonomy, [table, *SETTINGS]), {})
    assert as_dict(_read_back(config, tmp_path)) == as_dict(config)


def test_every_setting_is_printed_with_its_sentence_and_its_limits():
    text = as_toml(Config())
    values = tomllib.loads(text)
    comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    for name, field in fields_of(Config):
        table, _, key = name.rpartition(".")
        assert key in (values[table] if table else values)
        assert field.description.endswith("."), f"{name} has no sentence"
        assert " ".join(field.description.split()) in comments
        assert limits(field) in comments


def test_the_reference_page_is_the_one_that_the_models_generate():
    assert PAGE.read_text() == as_markdown(), "run python -m pipeline.settings.reference"


def test_the_schema_accepts_what_is_printed_and_knows_no_faults():
    schema = Config.model_json_schema()
    jsonschema.validate(tomllib.loads(as_toml(Config())), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"method": {"steps": 0}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"faults": {}}, schema)
