"""Structural similarity of two images (SSIM).

Wang et al., Image quality assessment, IEEE Transactions on Image Processing 13(4), 2004.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SIGMA, RADIUS = 1.5, 5
"""Of the Gaussian window, in pixels: 11 x 11."""

K1, K2, RANGE = 0.01, 0.03, 255.0


def ssim(a: Image.Image, b: Image.Image) -> float:
    """The mean over pixels and channels, in [-1, 1]; 1 for equal images.

    Args:
        a, b: RGB, of one size, at least 11 pixels across.

    SSIM = (2 m_a m_b + C1) (2 s_ab + C2) / ((m_a^2 + m_b^2 + C1) (s_a^2 + s_b^2 + C2)), where m,
    s^2 and s_ab are means, variances and covariance under the window, C1 = (K1 L)^2, C2 = (K2 L)^2,
    L = 255 (equation 13). Only pixels whose window lies within the image count.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x**2
    variance_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float((above / below).mean())


def _windowed(values: np.ndarray) -> np.ndarray:
    """Means of (h, w, channels) under the window, of the pixels at least RADIUS from every edge."""
    offsets = np.arange(-RADIUS, RADIUS + 1)
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    height, width = values.shape[0] - 2 * RADIUS, values.shape[1] - 2 * RADIUS
    rows = sum(w * values[k : k + height] for k, w in enumerate(weights))
    return sum(w * rows[:, k : k + width] for k, w in enumerate(weights))
