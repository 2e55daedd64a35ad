"""Settings of classifiers that would have to be guessed."""

import json
import shutil

import pytest

from muse.classifiers.spec import read_spec
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.locate import check_models

LABELS = MIKELS.labels
HEAD = {"kind": "head", "backbone": str(WEIGHTS / "clip"), "labels": [*LABELS]}


@pytest.fixture
def guide(tmp_path):
    return shutil.copytree(WEIGHTS / "guide", tmp_path / "guide")


def _refusal(folder):
    with pytest.raises(UserError) as caught:
        check_models(Config(guide=str(folder)))
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"temprature": 2}, "unknown key 'temprature'; did you mean 'temperature'?"),
        ({"colour": 2}, "unknown key 'colour'; known: kind, about, model, "),
        ({"prompts": {}}, "prompts has no effect on a classifier of the kind model; .*zero-shot"),
        ({"temperature": 0}, "temperature is 0; give a number above 0"),
        ({"temperature": "hot"}, "temperature is 'hot'; give a number above 0"),
        ({"temperature": True}, "temperature is True; give a number above 0"),
        ({"temperature": float("nan")}, "temperature is nan; give a number above 0"),
        ({"temperature": None}, "temperature is None; give a number above 0"),
        ({"multi_label": 1}, "multi_label is 1; give true or false"),
        ({"model": 5}, "model is 5; give a folder"),
        (HEAD | {"head": 5}, "head is 5; give a .safetensors file"),
        (HEAD | {"activation": []}, r"activation is \[\]; choose relu, gelu, tanh"),
        (HEAD | {"activation": "swish"}, "activation is 'swish'; choose relu, gelu, tanh"),
        (HEAD | {"labels": [1]}, "labels must name the head's outputs"),
        (HEAD | {"label": []}, "unknown key 'label'; did you mean 'labels'?"),
        ({"kind": "zero-shot", "prompts": {"awe": [3]}}, "prompts must give each label a list"),
        ({"kind": "ensemble", "members": [], "temperature": 2}, "temperature has no effect on"),
        (
            {"kind": "ensemble", "members": [{"folder": ".", "labelmap": {}}, "."]},
            "members: unknown key 'labelmap'; did you mean 'label_map'?",
        ),
        (
            {"kind": "ensemble", "members": [{"folder": ".", "label_map": {"a": 1}}, "."]},
            "a member is a folder, or {folder, label_map}; got",
        ),
    ],
)
def test_plan_refuses_a_classifier_json_by_file_and_key(guide, settings, told):
    (guide / "classifier.json").write_text(json.dumps(settings))
    message = _refusal(guide)
    assert message.startswith(f"--guide {str(guide)!r}: {guide / 'classifier.json'}: ")
    with pytest.raises(ValueError, match=told):
        read_spec(guide)


def test_what_fit_writes_is_read(guide):
    settings = {"kind": "model", "temperature": 1.3, "multi_label": False, "about": {"data": "x"}}
    (guide / "classifier.json").write_text(json.dumps(settings))
    assert read_spec(guide).temperature == 1.3


def _numbered(numbers):
    return {str(number): label for number, label in zip(numbers, LABELS, strict=True)}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"problem_type": "regression"}, "the problem_type in .* is 'regression', whose outputs"),
        ({"problem_type": "ranking"}, "the problem_type in .* is 'ranking'"),
        ({"problem_type": ["regression"]}, "the problem_type in "),
        ({"id2label": _numbered(range(1, 9))}, "numbers its 8 labels 1, 2, .* numbered from 0"),
        ({"id2label": _numbered(range(0, 16, 2))}, "numbers its 8 labels 0, 2, 4"),
        ({"id2label": _numbered(range(8)) | {"0": None}}, "has None for 0; give a name"),
        ({"id2label": [*LABELS]}, "is no table of labels"),
        ({"label2id": {"awe": 0, "amusement": 1}}, "'awe' is 0 in label2id, but 1 in id2label"),
        ({"label2id": {"Awe": "5"}}, "'Awe' is '5' in label2id, but 1 in id2label"),
        ({"label2id": ["awe"]}, "the label2id in .* no table; take it out"),
    ],
)
def test_plan_refuses_a_config_json_whose_labels_would_be_guessed(guide, settings, told):
    file = guide / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    assert str(file) in _refusal(guide)
    with pytest.raises(ValueError, match=told):
        read_spec(guide)


@pytest.mark.parametrize(
    "settings",
    [
        {"problem_type": "single_label_classification"},
        {"id2label": dict(reversed(_numbered(range(8)).items()))},
        {"label2id": None},
        {"label2id": {label: str(number) for number, label in enumerate(LABELS)}},
        {"label2id": {f"LABEL_{number}": number for number in range(8)}},
    ],
)
def test_labels_are_in_the_order_of_their_numbers(guide, settings):
    file = guide / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    assert read_spec(guide).labels == LABELS
