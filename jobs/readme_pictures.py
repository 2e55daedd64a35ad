"""The pictures of the README, from the corpus that `make demo` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageDraw, ImageFont

from pipeline.api import Corpus, CorpusSample

SIDE, GAP, CAPTION = 128, 6, 20
"""Of a picture, between two, and of the line below, pixels."""

BACKGROUND, INK = (255, 255, 255), (40, 40, 40)


def main(
    corpus: Annotated[Path, typer.Option(help="Output of the demo.")] = Path("out/demo"),
    output: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("docs/images"),
) -> None:
    """Write `contact_sheet.webp`, and `edits.webp`: the sources beside what was made of them."""
    output.mkdir(parents=True, exist_ok=True)
    sheet = Image.open(corpus / "contact_sheet.png").convert("RGB")
    sheet.save(output / "contact_sheet.webp", quality=90)
    edits_strip(Corpus(corpus)).save(output / "edits.webp", quality=90)


def edits_strip(corpus: Corpus) -> Image.Image:
    """A row for each source image: the source, then its accepted edits, an emotion a column."""
    rows: dict[int, dict[str, CorpusSample]] = {}
    for sample in corpus:
        if sample.metadata["task"] == "edit":
            rows.setdefault(sample.metadata["row"], {})[sample.metadata["emotion"]] = sample
    columns = list(dict.fromkeys(emotion for samples in rows.values() for emotion in samples))
    canvas = _canvas(len(rows), len(columns) + 1)
    for line, samples in enumerate(rows.values()):
        some = next(iter(samples.values()))
        _put(canvas, line, 0, corpus.source(some), "source")
        for column, emotion in enumerate(columns, 1):
            picture = samples[emotion].image if emotion in samples else None
            _put(canvas, line, column, picture, emotion if picture else "(rejected)")
    return canvas


def _canvas(lines: int, columns: int) -> Image.Image:
    width = columns * (SIDE + GAP) - GAP
    return Image.new("RGB", (width, lines * (SIDE + CAPTION + GAP) - GAP), BACKGROUND)


def _put(
    canvas: Image.Image, line: int, column: int, picture: Image.Image | None, caption: str
) -> None:
    """A picture with its caption below."""
    left, top = column * (SIDE + GAP), line * (SIDE + CAPTION + GAP)
    if picture is not None:
        canvas.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, top))
    font = ImageFont.load_default(14)
    ImageDraw.Draw(canvas).text((left, top + SIDE + 2), caption, INK, font)


if __name__ == "__main__":
    typer.run(main)
