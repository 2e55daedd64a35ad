"""SSIM against scikit-image's, on the settings of the paper."""

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from pipeline.generation.ssim import ssim


@pytest.mark.parametrize(("noise", "side"), [(0, 32), (5, 64), (60, 64), (200, 48)])
def test_it_is_that_of_scikit_image(noise, side):
    rng = np.random.default_rng(noise)
    a = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
    b = np.clip(a + rng.normal(0, noise, a.shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2,
        data_range=255,
    )
    assert ssim(Image.fromarray(a), Image.fromarray(b)) == pytest.approx(expected, abs=1e-9)
