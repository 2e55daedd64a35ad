"""The source images of edits, found again by their path or in the manifest, and known by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from muse.images import UnreadableImageError, decode
from muse.masks import whole_mask
from pipeline.config_tables import Images
from pipeline.errors import ImageError, RunStopped, UserError
from pipeline.generation.source_images import read_source
from pipeline.output.run.run_file import RunFile
from pipeline.planning.manifest_input import folder_of
from pipeline.storage.files import Location, location
from pipeline.storage.ranged import open_ranged
from pipeline.storage.remote import Remote, is_url

WEB = ("http", "https")
"""Schemes by which nothing is fetched again: looking at a corpus opens no connection to the web."""


UNREADABLE = (ImageError, UserError, RunStopped, OSError, ValueError)
"""What is raised where a source image or a mask is not there any more, or unreadable."""


@dataclass(frozen=True)
class Source:
    """A source image, or why it cannot be shown.

    Attributes:
        image: the part of it that was edited, RGB, at its own size; all of it where the edit was
            put back to its size.
        reason: a sentence; empty if there is an image.
        mask: where that may change, as its mask was given; None without one, or if the mask that
            was used is not there any more.
    """

    image: Image.Image | None
    reason: str = ""
    mask: Image.Image | None = None


class SourceFinder:
    """Finds the source images of a run.

    Args:
        output: of the run.
        manifest: path or URL of the run's manifest; by default, the one that the run noted.
    """

    def __init__(self, run: RunFile, output: Location, manifest: str | None = None):
        self.manifest = manifest or _noted_manifest(run, output)
        self.base = folder_of(self.manifest)
        limits = Images(**run.config.get("images", {}))
        self.limits = limits.replace(schemes=tuple(s for s in limits.schemes if s not in WEB))

    def source(self, row: Mapping[str, Any]) -> Source:
        """The source image of an edit's row, as it was cropped."""
        if row["source_sha256"] is None:
            return Source(None, "the source image was not read")
        try:
            data = self._read(row, "image", row["source_image"])
        except UNREADABLE as error:
            return Source(None, f"{error} (--manifest says where the manifest is now)")
        # Another file under that name is not what was edited.
        if hashlib.sha256(data).hexdigest() != row["source_sha256"]:
            return Source(None, "the file is another one now: its SHA-256 differs")
        try:
            image = decode(data, self.limits.max_pixels)
        except UnreadableImageError as error:
            return Source(None, f"image {error}")
        mask = self._mask(row, image.size)
        if row.get("restored"):
            return Source(image, mask=mask)
        edges = (row[f"source_crop_{name}"] for name in ("left", "top", "right", "bottom"))
        left, top, right, bottom = (round(edge) for edge in edges)
        part = (left, top, right, bottom)
        return Source(image.crop(part), mask=None if mask is None else mask.crop(part))

    def _mask(self, row: Mapping[str, Any], size: tuple[int, int]) -> Image.Image | None:
        """The mask over a source image of that size, in black and white."""
        # Corpora of earlier releases have none.
        if (digest := row.get("mask_sha256")) is None:
            return None
        try:
            data = self._read(row, "mask", row["mask"])
            # The caption says what share it is, also of one that cannot be shown.
            if hashlib.sha256(data).hexdigest() != digest:
                return None
            return whole_mask(decode(data, self.limits.max_pixels), size)
        except (*UNREADABLE, UnreadableImageError):
            return None

    def _read(self, row: Mapping[str, Any], column: str, place: str | None) -> bytes:
        """An encoded source image or mask.

        Args:
            column: of the manifest, which holds it where it has no place of its own.

        Raises:
            UNREADABLE: it is not there, or unreadable.
        """
        if place is not None:
            return read_source(place, self.base, self.limits)
        data = _embedded(self.manifest, row["row"], column)
        if data is None:
            raise ImageError(f"the manifest holds no {column} in that row")
        return data


def _noted_manifest(run: RunFile, output: Location) -> str:
    """Where the manifest is that a run noted.

    A relative path is looked for in the current folder, then in those that the output lies in: the
    command that began the run was mostly given in one of them.
    """
    noted = run.manifest
    if isinstance(output, Remote) or is_url(noted) or Path(noted).exists():
        return noted
    places = (folder / noted for folder in output.resolve().parents)
    return next((str(place) for place in places if place.exists()), noted)


def _embedded(manifest: str, number: int, column: str) -> bytes | None:
    """The image that row `number` of a manifest holds in a column; None if it holds none.

    Raises:
        OSError, ValueError: the manifest is not there, or is no parquet file with such a row.
    """
    with open_ranged(location(manifest)) as handle:
        file = pq.ParquetFile(handle)
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number < rows:
                table = file.read_row_group(group, columns=[column], use_threads=False)
                value = table[column][number].as_py()
                data = value.get("bytes") if isinstance(value, dict) else value
                return data if isinstance(data, bytes) else None
            number -= rows
    return None
