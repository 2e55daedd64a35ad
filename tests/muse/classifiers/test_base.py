"""How labels, temperature and multi-label outputs become probabilities of emotions."""

import json
import shutil

import pytest
import torch

from muse.classifiers import load_classifier
from muse.emotions import MIKELS
from muse.emotions.taxonomies import load_taxonomy
from muse.mini import WEIGHTS


def test_labels_of_one_emotion_add_up_and_a_dropped_label_is_normalised_away(tmp_path, pixels):
    folder = tmp_path / "renamed"
    shutil.copytree(WEIGHTS / "guide", folder)
    config = json.loads((folder / "config.json").read_text())
    own = ["joy", "glee", "blur", "surprise", "anger", "disgust", "fear", "sadness"]
    config["id2label"] = dict(enumerate(own))
    config["label2id"] = {label: i for i, label in enumerate(own)}
    (folder / "config.json").write_text(json.dumps(config))
    (tmp_path / "moods.toml").write_text(
        'name = "moods"\nlabels = ["sadness", "fear", "joy", "surprise", "anger", "disgust"]\n'
        'polarity = [-1, -1, 1, 0, -1, -1]\nwheel = ["joy", "fear", "sadness"]\n'
    )
    moods = load_taxonomy(str(tmp_path / "moods.toml"))
    p = load_classifier(WEIGHTS / "guide").probs(pixels).p
    q = load_classifier(folder, moods, {"glee": "joy", "blur": ""}).probs(pixels).p
    rest = 1 - p[:, 2]
    assert torch.allclose(q[:, 2], (p[:, 0] + p[:, 1]) / rest, atol=1e-5)
    assert torch.allclose(q[:, 0], p[:, 7] / rest, atol=1e-5)
    with pytest.raises(
        ValueError, match=r"joy, glee, blur.*are not those of moods.*write in label_map"
    ):
        load_classifier(folder, moods)


def test_a_temperature_is_applied(tmp_path, pixels):
    shutil.copytree(WEIGHTS / "guide", tmp_path / "cool")
    (tmp_path / "cool" / "classifier.json").write_text('{"temperature": 2.0}')
    plain, cool = load_classifier(WEIGHTS / "guide"), load_classifier(tmp_path / "cool")
    assert torch.allclose(cool.logits(pixels), plain.logits(pixels) / 2)


def test_emotions_of_a_multi_label_classifier_are_independent(multi_label_copy, tmp_path, pixels):
    guide, multi_label = (
        load_classifier(WEIGHTS / "guide"),
        load_classifier(multi_label_copy(tmp_path / "multi_label")),
    )
    p = guide.logits(pixels).sigmoid()
    assert torch.allclose(multi_label.probs(pixels).p, p)
    shutil.copytree(WEIGHTS / "guide", tmp_path / "prompts")
    (tmp_path / "prompts" / "classifier.json").write_text('{"multi_label": true}')
    assert torch.allclose(load_classifier(tmp_path / "prompts").probs(pixels).p, p)
    (tmp_path / "multi_label" / "classifier.json").write_text('{"multi_label": false}')
    assert torch.allclose(
        load_classifier(tmp_path / "multi_label").probs(pixels).p, guide.probs(pixels).p
    )
    (tmp_path / "multi_label" / "classifier.json").write_text('{"multi_label": "no"}')
    with pytest.raises(
        ValueError, match=r"classifier.json: multi_label is 'no'; give true or false"
    ):
        load_classifier(tmp_path / "multi_label")


def test_dropping_a_label_of_a_multi_label_classifier_leaves_the_others_unchanged(
    multi_label_copy, tmp_path, pixels
):
    folder = multi_label_copy(tmp_path / "multi_label")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"]["0"] = "blur"
    (folder / "config.json").write_text(json.dumps(config))
    (tmp_path / "seven.toml").write_text(
        f'name = "seven"\nlabels = {list(MIKELS.labels[1:])}\n'
        f"polarity = {list(MIKELS.polarity[1:])}\nwheel = []\n"
    )
    whole, less = load_classifier(WEIGHTS / "guide"), load_taxonomy(str(tmp_path / "seven.toml"))
    p = load_classifier(folder, less, {"blur": ""}).probs(pixels).p
    assert torch.allclose(p, whole.logits(pixels)[:, 1:].sigmoid())
