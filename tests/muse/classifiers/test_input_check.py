"""What a model cannot take is told by its settings and its image processor, without its weights."""

import json
import shutil

import pytest
from transformers import SwinConfig, ViTConfig, ViTForImageClassification, ViTImageProcessor

from muse.classifiers.input_check import input_problem
from muse.classifiers.load import check_folder
from muse.classifiers.spec import read_spec
from muse.mini import WEIGHTS

SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    names = {0: "awe", 1: "fear"}
    config = ViTConfig(image_size=32, patch_size=8, intermediate_size=8, id2label=names, **SMALL)
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_a_model_with_a_position_for_each_patch_takes_one_size(vit):
    assert input_problem(vit, 32, embeds=False) is None
    assert input_problem(vit, 32, embeds=True) is None
    for embeds in (False, True):
        problem = input_problem(vit, 64, embeds)
        assert problem.startswith("its image processor makes images of 64 x 64 pixels, and its mo")
        assert "does not take these, but 32 x 32: take" in problem


def test_a_network_of_convolutions_takes_any(vit):
    assert input_problem(WEIGHTS / "guide", 96, embeds=False) is None
    assert input_problem(WEIGHTS / "clip", 64, embeds=True) is None
    assert "but 64 x 64" in input_problem(WEIGHTS / "clip", 48, embeds=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("role", ["guide", "judge", "examiner", "clip"])
def test_weights_in_half_precision_are_tried_as_they_are_loaded(role, dtype, tmp_path):
    config = json.loads((WEIGHTS / role / "config.json").read_text())
    parts = {key: value | {"dtype": dtype} for key, value in config.items() if "_config" in key}
    (tmp_path / "config.json").write_text(json.dumps(config | parts | {"dtype": dtype}))
    assert input_problem(tmp_path, 64, embeds=role == "clip") is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"window_size": 4}, None),
        # Neither runs at any size, of which the device `meta` alone would be no proof.
        ({"embed_dim": 9}, "makes images of 32 x 32 pixels, and its model fails on these (shape"),
        ({"window_size": 0}, "its model fails on these (integer modulo by zero"),
        # What it adapts itself to at one size does not count at another.
        ({"window_size": 7}, "does not take these, but 224 x 224: take"),
    ],
)
def test_a_swin_is_told_whether_it_runs_at_one_size_at_another_or_at_none(tmp_path, settings, told):
    sides = {"image_size": 32, "patch_size": 4, "depths": [1, 1], "num_heads": [2, 2]}
    config = SwinConfig(**{"embed_dim": 8, **sides, **settings})
    config.save_pretrained(tmp_path)
    problem = input_problem(tmp_path, 32, embeds=False)
    assert problem is None if told is None else told in problem


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"num_channels": 1}, "takes images of 1 channels"),
        ({"hidden_size": None}, "cannot make a model of its config.json"),
    ],
)
def test_settings_that_no_picture_fits_are_told(vit, tmp_path, settings, told):
    folder = shutil.copytree(vit, tmp_path / "vit")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    assert told in input_problem(folder, 32, embeds=False)


def test_both_files_of_a_folder_are_compared(vit, tmp_path):
    folder = shutil.copytree(vit, tmp_path / "vit")
    check_folder(folder, read_spec(folder))
    ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    with pytest.raises(ValueError, match=f"{folder}: its image processor makes images of 64 x 64"):
        check_folder(folder, read_spec(folder))
