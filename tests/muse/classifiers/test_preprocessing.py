"""Preprocessing against the image processors of transformers."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
)

from muse.classifiers import Preprocessing
from muse.mini import WEIGHTS

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
SQUASHED = {"size": {"height": 64, "width": 64}}
CROP = {"crop_size": {"height": 64, "width": 64}, "do_center_crop": True}

AS_PUBLISHED = {
    "ViT": {**HALVES, "size": 64, "resample": 2},
    "ConvNext": {**IMAGENET, "size": {"shortest_edge": 64}, "crop_pct": 0.875},
    "ConvNext of 384": {**IMAGENET, "size": {"shortest_edge": 384}, "crop_pct": 0.875},
    "ConvNext without crop_pct": {**IMAGENET, "size": {"shortest_edge": 64}},
    "ConvNext, old": {**IMAGENET, "size": 64, "crop_pct": 0.875},
    "DeiT": {**IMAGENET, "size": {"height": 72, "width": 72}, **CROP},
    "DeiT, old": {**IMAGENET, "size": 72, "crop_size": 64, "do_center_crop": True},
    "DeiT without crop_size": {**IMAGENET, "size": 256, "do_center_crop": True},
    "Levit": {**IMAGENET, "size": {"shortest_edge": 64}, **CROP},
    "Levit, old": {**IMAGENET, "size": 224, "do_center_crop": True},
    "Levit squashed": {**IMAGENET, "size": {"height": 72, "width": 72}, **CROP},
    "PoolFormer": {**IMAGENET, "size": {"shortest_edge": 64}, "crop_pct": 0.9, **CROP},
    "PoolFormer without crop_pct": {**IMAGENET, "size": {"shortest_edge": 72}, **CROP},
    "Perceiver": {**IMAGENET, "size": 56, "crop_size": 64, "do_center_crop": True},
    "Perceiver uncropped": {**IMAGENET, "size": 56, "do_center_crop": False},
    "MobileViT": {"size": {"shortest_edge": 72}, **CROP, "do_flip_channel_order": True},
    "MobileViT, padded": {"size": {"shortest_edge": 56}, **CROP},
    "CLIP": {**IMAGENET, "size": {"shortest_edge": 72}, **CROP},
    "CLIP, old": {**IMAGENET, "size": 72, "crop_size": 64, "do_center_crop": True},
    "CLIP without mean": {"size": 72, **CROP},
    "CLIP cropped only": {"do_resize": False, **CROP},
    "EfficientNet": {**IMAGENET, "size": 64, "include_top": True, "resample": 0},
    "EfficientNet without top": {**IMAGENET, "size": 64, "include_top": False},
    "EfficientNet with offset": {**HALVES, "size": 64, "rescale_offset": True},
    "EfficientNet of -1..1": {"size": 64, "rescale_factor": 1 / 127.5, "rescale_offset": True},
    "Beit": {**HALVES, "size": 64, "crop_size": 64, "do_center_crop": False},
    "ViT without mean": {"size": 64},
    "ViT by Lanczos": {**HALVES, "size": 64, "resample": 1},
    "ViT of 0..255": {"size": 64, "do_rescale": False, "do_normalize": False},
}
"""Settings by the class that they are for: those of well-known models, at a smaller size."""

NOT_SQUARE = {"donut-swin", "textnet"}
NOT_AN_IMAGE = {"imagegpt", "siglip2"}
NOT_INSTALLED = {"pp_lcnet", "timm_wrapper"}
NAMELESS = {"dinov2_with_registers", "hgnet_v2"}


@pytest.fixture
def picture():
    """Colours without hard edges, higher than wide."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (15, 9, 3), np.uint8))
    return small.resize((150, 270), Image.Resampling.BICUBIC)


@pytest.fixture
def write(tmp_path):
    def write(settings, model_type="vit"):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        return tmp_path

    return write


def _difference(folder, picture):
    """Mean difference by the standard deviation of what transformers makes of the picture."""
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    theirs = processor(picture, return_tensors="pt").pixel_values
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    ours = Preprocessing.from_pretrained(folder)(pixels)
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().mean() / theirs.float().std())


@pytest.mark.parametrize("name", AS_PUBLISHED)
def test_preprocessing_is_that_of_transformers(name, picture, write):
    """But for the rounding to whole levels after theirs has resized."""
    kind = name.replace(",", " ").split()[0]
    suffix = "feature_extractor_type" if "old" in name else "image_processor_type"
    value = f"{kind}FeatureExtractor" if "old" in name else f"{kind}ImageProcessor"
    folder = write({suffix: value, **AS_PUBLISHED[name]})
    assert _difference(folder, picture) < 0.01


@pytest.mark.parametrize(
    "model_type",
    sorted({*CLASSIFIERS} - NOT_SQUARE - NOT_AN_IMAGE - NOT_INSTALLED - NAMELESS),
)
def test_the_defaults_of_every_image_classifier_are_those_of_transformers(
    model_type, picture, write
):
    assert _difference(write({}, model_type), picture) < 0.01


@pytest.mark.parametrize(
    ("model_types", "message"),
    [
        (NOT_SQUARE, "ImageProcessor is not supported .* must be square"),
        (NOT_AN_IMAGE, "ImageProcessor is not supported .*(fails on a picture|not an image of)"),
        (NOT_INSTALLED, "torchvision|timm"),
        (NAMELESS, "names no image_processor_type"),
    ],
)
def test_the_other_image_classifiers_are_refused_by_name(model_types, message, write):
    for model_type in model_types & {*CLASSIFIERS}:
        with pytest.raises(ValueError, match=message):
            Preprocessing.from_pretrained(write({}, model_type))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_resize": False}, "224 x 336 pixels for a picture of 224 x 336"),
        ({"size": {"height": 32, "width": 64}}, "32 x 64 pixels"),
        ({"size": {"shortest_edge": 64}}, "must be square"),
        ({"image_processor_type": "ConvNextImageProcessor", **SQUASHED}, "fails on a picture"),
        ({"resample": 4}, "its resample is 4"),
        ({"do_pad": True, "pad_size": {"height": 80, "width": 80}, "size": 64}, "make 64 x 64"),
        ({"image_processor_type": "PerceiverImageProcessor", "do_resize": False}, "of one size"),
    ],
)
def test_settings_that_are_not_reproduced_are_refused(settings, message, write):
    folder = write({"image_processor_type": "ViTImageProcessor", **settings})
    with pytest.raises(ValueError, match=f"ImageProcessor is not supported .*{message}"):
        Preprocessing.from_pretrained(folder)


def test_a_processor_that_does_more_than_its_settings_say_is_refused(write):
    """A class of a later release, say."""
    folder = write({"size": 64, "image_processor_type": "ViTImageProcessor"})
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")

    class Inverting(type(processor)):
        def rescale(self, image, scale, **options):
            return 1 - super().rescale(image, scale, **options)

    with pytest.raises(ValueError, match="what it makes of a picture differs"):
        Preprocessing.of(Inverting(size=64))


@pytest.mark.parametrize("role", ["guide", "judge", "clip"])
def test_the_embedded_classifiers_see_every_pixel_as_it_is(role):
    """Half the size of the embedded model's images; of that size none is resized or cropped."""
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    preprocessing = Preprocessing.from_pretrained(WEIGHTS / role)
    assert torch.equal(preprocessing.shape(pixels), pixels)
    assert torch.equal(preprocessing(pixels), (pixels - 0.5) / 0.5)
