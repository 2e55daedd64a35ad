"""The embedded model: a small Stable Diffusion, its classifiers and the renderer of their data."""

from __future__ import annotations

from pathlib import Path

CONTENT_JUDGE = "content-clip"
"""Folder of the CLIP that judges content."""

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of `diffusion/` (diffusers layout), `clip/`, which steers, `CONTENT_JUDGE`, and the
classifiers `guide/`, `judge/`, `examiner/`, `place/` and `subject/`."""
