"""The contact sheet of a corpus: the first accepted samples of each emotion."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline.generation.verdicts import ACCEPTED
from pipeline.output.integrity import open_committed
from pipeline.output.markers import Marker, relative_name
from pipeline.output.sample_files import MIXTURE
from pipeline.storage.files import Location, write_bytes

TILE, COLUMNS, MARGIN, LABEL, CAPTION = 128, 10, 6, 110, 16
"""Pixels across a tile, most tiles in a row, and pixels of the rest."""

MAX_LABEL = 14
"""Characters of an emotion's name that fit beside its row."""

IMAGE_SUFFIXES = ("png", "jpg", "webp")

CONTACT_SHEET_FILE = "contact_sheet.png"

FIELDS = ["key", "status", "emotion", "judge_confidence", "task", "shard"]
"""Columns of the metadata that it needs."""


class ContactSheet:
    """A row of images for each emotion, one for mixtures: the first accepted samples in plan order.

    Below each image stands the judge's confidence in the target. Only the records of the samples to
    be shown are kept.
    """

    def __init__(self) -> None:
        self.samples: dict[str | None, list[dict[str, Any]]] = {}
        """Of each requested emotion, None for mixtures."""

    def add(self, table: pa.Table) -> None:
        """Choose from the records of the next shard."""
        accepted = table.select(FIELDS).filter(pc.equal(table["status"], ACCEPTED))
        for emotion in pc.unique(table["emotion"]).to_pylist():
            chosen = self.samples.setdefault(emotion, [])
            if missing := COLUMNS - len(chosen):
                of_emotion = pc.equal(accepted["emotion"], emotion)
                mixtures = pc.is_null(accepted["emotion"])
                rows = accepted.filter(mixtures if emotion is None else of_emotion)
                chosen += rows.slice(0, missing).to_pylist()

    def write(self, output: Location, markers: Sequence[Marker], labels: Sequence[str]) -> str:
        """Write `contact_sheet.png`; returns its SHA-256.

        Args:
            markers: of all shards.
            labels: the emotions, in the order of the rows; those that were not requested are left
                out.
        """
        rows = {label: self.samples[label] for label in labels if label in self.samples}
        if None in self.samples:
            rows[MIXTURE] = self.samples[None]
        keys = {sample["key"] for samples in rows.values() for sample in samples}
        shards = {sample["shard"] for samples in rows.values() for sample in samples}
        images: dict[str, Image.Image] = {}
        for marker in markers:
            if relative_name(f"{marker.name}.tar") in shards:
                images.update(_images(output, marker, keys))
        buffer = io.BytesIO()
        _draw(rows, images).save(buffer, "PNG", optimize=True)
        return write_bytes(output / CONTACT_SHEET_FILE, buffer.getvalue())


def _images(
    output: Location, marker: Marker, keys: Collection[str]
) -> Iterator[tuple[str, Image.Image]]:
    """Those of the samples that are in a shard, as tiles, with their keys."""
    name = f"{marker.name}.tar"
    committed = open_committed(output, relative_name(name), marker.sha256[name])
    with committed as file, tarfile.open(fileobj=file) as archive:
        for member in archive:
            key, _, suffix = member.name.partition(".")
            if key in keys and suffix in IMAGE_SUFFIXES:
                content = archive.extractfile(member)
                assert content is not None
                image = Image.open(io.BytesIO(content.read())).convert("RGB")
                yield (
                    key,
                    ImageOps.pad(image, (TILE, TILE), Image.Resampling.LANCZOS, color="white"),
                )


def _draw(
    rows: Mapping[str, Sequence[Mapping[str, Any]]], images: Mapping[str, Image.Image]
) -> Image.Image:
    row_height = TILE + MARGIN + CAPTION
    columns = max([1, *map(len, rows.values())])
    width = LABEL + columns * (TILE + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, MARGIN + max(1, len(rows)) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    label_font, caption_font = ImageFont.load_default(13), ImageFont.load_default(11)
    for r, (emotion, samples) in enumerate(rows.items()):
        y = MARGIN + r * row_height
        name = "".join(c if c.isprintable() else "?" for c in emotion)[:MAX_LABEL]
        draw.text((MARGIN, y + TILE // 2 - 8), name, "black", label_font)
        for c, sample in enumerate(samples):
            x = LABEL + c * (TILE + MARGIN)
            sheet.paste(images[sample["key"]], (x, y))
            task = " edit" if sample["task"] == "edit" else ""
            caption = f"{sample['judge_confidence']:.2f}{task}"
            draw.text((x + 2, y + TILE), caption, "#555555", caption_font)
    return sheet
