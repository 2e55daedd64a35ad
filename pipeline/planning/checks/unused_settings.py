"""Settings that have no effect, or not the whole one, in this combination, in words."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning.checks.edit_warnings import step_warnings

MODEL_SETTINGS = (
    "model",
    "guide",
    "judge",
    "similarity",
    "content_judge",
    "dtype",
    "memory",
    "vae",
    "tiny_vae",
    "clip_skip",
    "vae_tiling",
    "compile",
    "lora",
    "embedding",
    "fitted_tokens",
    "label_map",
    "method",
)
"""What the null engine does not read."""

EDIT_ONLY = ("min_source_similarity", "images", "resize", "restore_size")
"""What is read for edits alone."""

EDIT_SETTINGS = ("edit_start", "strength", "edit_guidance_scale")
"""Parameters of the method that only edits read."""

RAY_SETTINGS = ("workers", "address", "label_selector")
"""What the local executor does not read."""


class RowUse:
    """Finds out what the rows of a manifest make of the settings.

    Attributes:
        rows: how many were added.
        left_open: how many of them name no emotion.
        edits: how many have an image.
        masked: how many have a mask.
    """

    def __init__(self, config: Config):
        self.config = config
        self.has_emotions = "emotions" in config.model_fields_set
        self.is_lossy = config.image_format == "jpg"
        given = _listed(config.model_fields_set, EDIT_ONLY)
        of_method = _listed(config.method.model_fields_set, EDIT_SETTINGS, "method.")
        self.of_edits = ", ".join(filter(None, (given, of_method)))
        self.rows = self.left_open = self.edits = self.masked = 0

    def add(self, row: Row) -> None:
        """Take note of a row."""
        self.rows += 1
        self.left_open += not row.emotions
        self.edits += row.image is not None
        self.masked += row.mask is not None

    @property
    def warnings(self) -> Iterator[str]:
        """What the rows do not need, or do not get, of the settings."""
        if self.has_emotions and self.rows and not self.left_open:
            yield "emotions: no effect, because every row of the manifest names its own"
        if self.of_edits and self.rows and not self.edits:
            yield f"{self.of_edits}: no effect, because no row of the manifest has an image"
        if self.masked and self.is_lossy:
            yield (
                f"image_format = jpg: {self.masked} row(s) have a mask, and JPEG changes pixels "
                "outside of it as well; png and webp keep every one"
            )
        yield from step_warnings(self.config, self.edits)


def unused_settings(config: Config) -> Iterator[str]:
    """A sentence for each kind of setting that was given and is not read."""
    given = config.model_fields_set
    if config.engine == "null" and (names := _listed(given, MODEL_SETTINGS)):
        yield f"{names}: no effect with engine = null, which has no model"
    if config.executor == "local" and (names := _listed(given, RAY_SETTINGS)):
        yield f"{names}: no effect with executor = local, which is one worker in this process"
    if "quota_by" in given and not config.quota:
        yield "quota_by: no effect without a quota; give one, as in --quota 500"


def _listed(given: set[str], names: tuple[str, ...], table: str = "") -> str:
    return ", ".join(f"{table}{name}" for name in names if name in given)
