"""Sheets of scenes to look at before training: `python -m jobs.world.sheet --help`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image, ImageDraw

from jobs.world.autoencoder import round_trip
from jobs.world.models import build_vae, freeze
from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.render import SIZE, render
from muse.mini.world.scene import Scene, sample_scene
from muse.mini.world.styles import STYLES

SEED, COLUMNS, GAP, MARGIN = 900_014, 8, 4, 110
"""Seed of scenes that no training uses; scenes a row; pixels between them, and left for names."""


class Kind(StrEnum):
    """What a row of the sheet has in common."""

    EMOTION = "emotion"
    PLACE = "place"
    SUBJECT = "subject"
    STYLE = "style"


NAMES: dict[Kind, list[str]] = {
    Kind.EMOTION: list(MIKELS.labels),
    Kind.PLACE: list(PLACES),
    Kind.SUBJECT: list(SUBJECTS),
    Kind.STYLE: list(STYLES),
}
"""The rows of each kind of sheet."""


def scene_of(rng: Random, kind: Kind, name: str) -> Scene:
    """A scene of an emotion, place, subject or style; all else is any."""
    emotion = name if kind is Kind.EMOTION else rng.choice(MIKELS.labels)
    content = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
    scene = sample_scene(rng, *content, [emotion])
    if kind is Kind.PLACE:
        return replace(scene, place=name)
    if kind is Kind.SUBJECT:
        return replace(scene, subject=name)
    return replace(scene, style=name) if kind is Kind.STYLE else scene


def rows_of(kind: Kind, columns: int = COLUMNS) -> dict[str, list[Scene]]:
    """Scenes by what they have in common."""
    rng = Random(SEED)
    return {name: [scene_of(rng, kind, name) for _ in range(columns)] for name in NAMES[kind]}


def lay_out(rows: Mapping[str, Sequence[Image.Image]]) -> Image.Image:
    """Pictures of `SIZE` pixels in rows, each row with its name on the left."""
    columns = max(map(len, rows.values()))
    step = SIZE + GAP
    sheet = Image.new("RGB", (MARGIN + columns * step, len(rows) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for down, (name, pictures) in enumerate(rows.items()):
        draw.text((6, down * step + SIZE // 2), name, fill="black")
        for across, picture in enumerate(pictures):
            sheet.paste(picture, (MARGIN + across * step, down * step))
    return sheet


def reconstructions(pictures: Sequence[Image.Image], checkpoint: Path) -> list[Image.Image]:
    """Pictures after the VAE of a checkpoint of `jobs.world.train`."""
    vae = build_vae()
    vae.load_state_dict(torch.load(checkpoint, weights_only=True)["vae"])
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    decoded = round_trip(freeze(vae), pixels.permute(0, 3, 1, 2).float() / 255)
    arrays = (decoded * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(array) for array in arrays]


def main(
    kind: Kind,
    out: Annotated[Path, typer.Option(help="A PNG file.")],
    vae: Annotated[
        Path | None, typer.Option(help="A checkpoint `vae.pt`; adds a row after it to each row.")
    ] = None,
) -> None:
    """Draw scenes of each emotion, place, subject or style, a row each."""
    rows: dict[str, list[Image.Image]] = {}
    for name, scenes in rows_of(kind).items():
        rows[name] = [render(scene) for scene in scenes]
        if vae is not None:
            rows[f"{name}, VAE"] = reconstructions(rows[name], vae)
    lay_out(rows).save(out)


if __name__ == "__main__":
    typer.run(main)
