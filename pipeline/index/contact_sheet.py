"""The contact sheet of a corpus: the first accepted samples of each emotion."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from pipeline.generation.verdicts import ACCEPTED
from pipeline.index.metadata import METADATA_FILE, read_table
from pipeline.output.integrity import read_shard_file
from pipeline.output.markers import read_markers
from pipeline.output.sample_files import MIXTURE
from pipeline.storage.files import Location, write_bytes

TILE, COLUMNS, MARGIN, LABEL, CAPTION = 128, 10, 6, 110, 16
"""Pixels across a tile, tiles in a row, and pixels of the rest."""

MAX_LABEL = 14
"""Characters of an emotion's name that fit beside its row."""

IMAGE_SUFFIXES = ("png", "jpg", "webp")


def write_contact_sheet(output: Location, labels: Sequence[str]) -> None:
    """Write `contact_sheet.png`: a row of images for each emotion, one for mixtures.

    Below each image stands the judge's confidence in the target.

    Args:
        labels: the emotions, in the order of the rows; those that were not requested are left out.
    """
    columns = ["key", "status", "emotion", "judge_confidence", "task"]
    table = read_table(output / METADATA_FILE, columns)
    requested = set(pc.unique(table["emotion"]).to_pylist())
    rows = {label: _first_accepted(table, label) for label in labels if label in requested}
    if None in requested:
        rows[MIXTURE] = _first_accepted(table, None)
    keys = {sample["key"] for samples in rows.values() for sample in samples}
    buffer = io.BytesIO()
    _draw(rows, _images(output, keys)).save(buffer, "PNG", optimize=True)
    write_bytes(output / "contact_sheet.png", buffer.getvalue())


def _first_accepted(table: pa.Table, emotion: str | None) -> list[dict[str, Any]]:
    """The first accepted samples of an emotion; of mixtures, which have none, if it is None."""
    emotions, accepted = table["emotion"], pc.equal(table["status"], ACCEPTED)
    matches = pc.is_null(emotions) if emotion is None else pc.equal(emotions, emotion)
    chosen = pc.and_(accepted, pc.fill_null(matches, False))
    return table.filter(chosen).slice(0, COLUMNS).to_pylist()


def _images(output: Location, keys: Collection[str]) -> dict[str, Image.Image]:
    """The images of those samples, by key."""
    images: dict[str, Image.Image] = {}
    for marker in read_markers(output):
        if not marker.accepted:
            continue
        data = read_shard_file(output, marker, "tar")
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                key, _, suffix = member.name.partition(".")
                if key in keys and suffix in IMAGE_SUFFIXES:
                    file = archive.extractfile(member)
                    assert file is not None
                    images[key] = Image.open(io.BytesIO(file.read())).convert("RGB")
        if len(images) == len(keys):
            break
    return images


def _draw(
    rows: Mapping[str, Sequence[Mapping[str, Any]]], images: Mapping[str, Image.Image]
) -> Image.Image:
    row_height = TILE + MARGIN + CAPTION
    width = LABEL + COLUMNS * (TILE + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, MARGIN + max(1, len(rows)) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    label_font, caption_font = ImageFont.load_default(13), ImageFont.load_default(11)
    for r, (emotion, samples) in enumerate(rows.items()):
        y = MARGIN + r * row_height
        name = "".join(c if c.isprintable() else "?" for c in emotion)[:MAX_LABEL]
        draw.text((MARGIN, y + TILE // 2 - 8), name, "black", label_font)
        for c, sample in enumerate(samples):
            x = LABEL + c * (TILE + MARGIN)
            tile = images[sample["key"]].resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (x, y))
            task = " edit" if sample["task"] == "edit" else ""
            caption = f"{sample['judge_confidence']:.2f}{task}"
            draw.text((x + 2, y + TILE), caption, "#555555", caption_font)
    return sheet
