"""The embedded model: a small Stable Diffusion, its classifiers and the renderer of their data."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of `diffusion/` (diffusers layout), `clip/`, which steers, `content-clip/`, which judges
content, and the classifiers `guide/`, `judge/`, `examiner/`, `place/` and `subject/`."""
