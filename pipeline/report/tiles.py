"""The pictures of a report, each with its caption, as small images that the page contains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from muse.images import UnreadableImageError, decode
from pipeline.errors import UserError
from pipeline.output.rows import target_name
from pipeline.report.pixels import brightness, colourfulness
from pipeline.view.pictures import Pictures
from pipeline.view.rows import FinishedRows, Part
from pipeline.view.sources import SourceFinder
from pipeline.view.thumbnails import data_url, source_thumbnail, thumbnail

SIDE = 160
"""Longer edge of a picture in the page, pixels."""

MAX_PROMPT = 160
"""Characters of a prompt that a caption shows."""


@dataclass(frozen=True)
class Tile:
    """A sample as the page shows it.

    Attributes:
        picture: address of the picture; empty if there is none.
        source: the same of the source image; empty if it is no edit, or it was not found.
        missing_source: why the source image of an edit cannot be shown.
        outlined: whether the mask is outlined in the source image.
        mask_share: share of the picture that a mask let change, from 0 to 1; None without a mask.
        brightness, colourfulness: see `pixels`; None without a picture.
    """

    key: str
    target: str
    prompt: str
    edit: bool
    status: str
    reason: str
    judge_emotion: str
    judge_confidence: float
    guide_emotion: str
    guide_confidence: float
    similarity: float | None
    source_similarity: float | None
    source_ssim: float | None
    picture: str
    source: str = ""
    missing_source: str = ""
    outlined: bool = False
    mask_share: float | None = None
    brightness: float | None = None
    colourfulness: float | None = None


@dataclass(frozen=True)
class _SourcePicture:
    """What a tile shows of a source image; its fields are those of `Tile`."""

    address: str
    missing: str
    outlined: bool


class TileMaker:
    """Makes tiles; each sample is read and decoded once.

    Attributes:
        problems: what is wrong with pictures that cannot be shown, each with their keys.
    """

    def __init__(self, rows: FinishedRows, sources: SourceFinder):
        self.rows, self.sources = rows, sources
        self.pictures = Pictures(rows.output)
        self.tiles: dict[int, Tile] = {}
        self.source_pictures: dict[str, _SourcePicture] = {}
        self.problems: dict[str, list[str]] = {}

    def make(self, positions: Iterable[int]) -> None:
        """Make the tiles of these samples."""
        for position, (part, row) in self.rows.take(positions).items():
            if position not in self.tiles:
                self.tiles[position] = self._tile(part, row)

    def _tile(self, part: Part, row: Mapping[str, Any]) -> Tile:
        image = None
        try:
            encoded = self.pictures.encoded(part, row)
            image = decode(encoded) if encoded else None
        except (UserError, UnreadableImageError, FileNotFoundError) as error:
            self.problems.setdefault(str(error), []).append(row["key"])
        return _tile(row, image, self._source(row))

    def _source(self, row: Mapping[str, Any]) -> _SourcePicture:
        """The picture of an edit's source image, or why there is none."""
        if row["task"] != "edit":
            return _SourcePicture("", "", False)
        edges = (row[f"source_crop_{name}"] for name in ("left", "top", "right", "bottom"))
        identity = f"{row['source_sha256']} {list(edges)} {row['source_image'] or row['row']}"
        identity += f" {row.get('mask_sha256')}"
        if identity not in self.source_pictures:
            found = self.sources.source(row)
            small = source_thumbnail(found.image, found.mask, SIDE) if found.image else None
            self.source_pictures[identity] = _SourcePicture(
                data_url(small) if small else "", found.reason, found.mask is not None
            )
        return self.source_pictures[identity]


def _tile(row: Mapping[str, Any], image: Image.Image | None, source: _SourcePicture) -> Tile:
    return Tile(
        key=row["key"],
        target=target_name(row),
        prompt=shortened(row["prompt"]),
        edit=row["task"] == "edit",
        status=row["status"],
        reason=row["reason"] or "",
        judge_emotion=row["judge_emotion"] or "",
        judge_confidence=row["judge_confidence"] or 0.0,
        guide_emotion=row["guide_emotion"] or "",
        guide_confidence=row["guide_confidence"] or 0.0,
        similarity=row["similarity"],
        source_similarity=row["source_similarity"],
        source_ssim=row["source_ssim"],
        picture=data_url(thumbnail(image, SIDE)) if image else "",
        source=source.address,
        missing_source=source.missing,
        outlined=source.outlined,
        # Corpora of earlier releases have none.
        mask_share=row.get("mask_share"),
        brightness=brightness(image) if image else None,
        colourfulness=colourfulness(image) if image else None,
    )


def shortened(prompt: str) -> str:
    """A prompt as a caption shows it: its beginning, and how long it is if that is not all."""
    if len(prompt) <= MAX_PROMPT:
        return prompt
    return f"{prompt[:MAX_PROMPT]}… ({len(prompt):,} characters)"
