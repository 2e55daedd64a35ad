"""Which image processor a folder names."""

import json

import pytest

from muse.classifiers.image_processors import affine_of, class_name, open_processor, read_settings


@pytest.fixture
def write(tmp_path):
    """A function that writes the settings of an image processor, and a config.json."""

    def write(settings, model_type="vit", name="preprocessor_config.json"):
        (tmp_path / name).write_text(json.dumps(settings))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("settings", "model_type", "kind"),
    [
        ({"image_processor_type": "DeiTImageProcessor"}, "vit", "DeiTImageProcessor"),
        ({"image_processor_type": "DeiTImageProcessorFast"}, "vit", "DeiTImageProcessor"),
        ({"feature_extractor_type": "LevitFeatureExtractor"}, "vit", "LevitImageProcessor"),
        ({}, "resnet", "ConvNextImageProcessor"),
        ({"size": 384}, "beit", "BeitImageProcessor"),
    ],
)
def test_the_class_is_that_of_the_file_or_of_the_model(settings, model_type, kind, write):
    assert class_name(open_processor(write(settings, model_type))) == kind


def test_a_nested_processor_comes_before_a_file_of_its_own(write):
    """As transformers reads them."""
    nested = {"image_processor": {"size": 32}, "processor_class": "CLIPProcessor"}
    write({"size": 64})
    folder = write(nested, name="processor_config.json")
    assert read_settings(folder) == {"size": 32}
    assert open_processor(folder).size["height"] == 32


def test_a_processor_config_of_texts_alone_is_passed_over(write):
    write({"processor_class": "CLIPProcessor"}, name="processor_config.json")
    assert read_settings(write({"size": 64})) == {"size": 64}


@pytest.mark.parametrize(
    ("settings", "model_type", "message"),
    [
        ({}, "hgnet_v2", "names no image_processor_type"),
        (
            {},
            "pp_lcnet",
            "needs torchvision, which is not installed; .*use a model whose",
        ),
        ({"size": {"height": 4, "depth": 4}}, "vit", "cannot load its image processor .*height"),
    ],
)
def test_a_processor_that_cannot_be_used_is_refused_by_name(settings, model_type, message, write):
    folder = write(settings, model_type)
    with pytest.raises(ValueError, match=message) as error:
        open_processor(folder)
    assert str(folder) in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("suffix", ["", "Fast"])
def test_a_class_that_does_the_same_is_named_where_torchvision_is_needed(suffix, write):
    """The files of DINOv3 as they are published."""
    name = f"DINOv3ViTImageProcessor{suffix}"
    settings = {"image_processor_type": name, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    with pytest.raises(ValueError, match=f"{name} needs torchvision.* write ViTImageProcessor in"):
        open_processor(write(settings, "dinov3_vit"))
    settings["image_processor_type"] = "ViTImageProcessor"
    assert class_name(open_processor(write(settings, "dinov3_vit"))) == "ViTImageProcessor"


def test_code_of_its_own_is_never_run(write):
    settings = {"auto_map": {"AutoImageProcessor": "own.OwnProcessor"}}
    (write(settings, "hgnet_v2") / "own.py").write_text("raise SystemExit('was run')")
    with pytest.raises(ValueError, match="cannot load its image processor"):
        open_processor(write(settings, "hgnet_v2"))


def test_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no preprocessor_config\.json"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"do_normalize": False}, 0.0, 1.0),
        ({"image_mean": 0.25, "image_std": 0.5}, 0.25, 0.5),
        ({"do_rescale": False, "image_mean": 102, "image_std": 51}, 0.4, 0.2),
    ],
)
def test_mean_and_deviation_are_of_pixels_between_0_and_1(settings, mean, std, write):
    settings = {"image_processor_type": "ViTImageProcessor", **settings}
    found = affine_of(open_processor(write(settings)))
    assert found[0] == pytest.approx([mean] * 3)
    assert found[1] == pytest.approx([std] * 3)
