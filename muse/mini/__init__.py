"""The embedded world: a small Stable Diffusion of our own, its classifiers, and the renderer that taught them."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""Folder with `diffusion/` (diffusers layout), `guide/`, `judge/`, `examiner/`, `place/`, `subject/` and `clip/`."""
