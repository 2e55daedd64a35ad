"""Preprocessing against the image processors of transformers."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from muse.classifiers import Preprocessing

CROP = {"crop_size": {"height": 64, "width": 64}}
SHORT = {"size": {"shortest_edge": 72}, **CROP}
CONVNEXT = {"size": {"shortest_edge": 56}, "crop_pct": 0.875}
POOLFORMER = {"size": {"shortest_edge": 64}, "crop_pct": 0.9, **CROP}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"size": {"height": 48, "width": 48}, "resample": 2}, "ViTImageProcessor"),
        ({**SHORT, "resample": 3, "do_center_crop": True}, "CLIPImageProcessor"),
        ({**CONVNEXT, "resample": 3}, "ConvNextImageProcessor"),
        ({**POOLFORMER, "resample": 3}, "PoolFormerImageProcessor"),
    ],
)
def test_preprocessing_is_that_of_transformers(settings, kind):
    """On a smooth image, to 2.5 of 255 levels: theirs rounds to whole levels."""
    transformers = pytest.importorskip("transformers")
    name = kind if "torchvision" in sys.modules else f"{kind}Pil"
    processor = getattr(transformers, name, None) or getattr(transformers, kind)
    mean, std = [0.48, 0.45, 0.4], [0.26, 0.25, 0.27]
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (6, 9, 3), np.uint8))
    picture = small.resize((150, 100), Image.Resampling.BICUBIC)
    theirs = processor(**settings, image_mean=mean, image_std=std)(
        picture, return_tensors="pt"
    ).pixel_values
    ours = Preprocessing.of({**settings, "image_mean": mean, "image_std": std})
    mine = ours(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255)
    assert mine.shape == theirs.shape
    assert float((mine - theirs).abs().mean()) * 255 * 0.26 < 2.5
