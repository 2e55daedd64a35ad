"""What fits on which card, counted without one: `python -m jobs.benchmark.memory --model sdxl`.

Bytes of weights and of a reading (an evaluation of the guide with its gradient in the tokens) of
models with their published shapes in bfloat16, counted on the meta device
(`muse.diffusion.live_memory`): computed, not measured. Of each card nine tenths are planned with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import typer

from jobs.benchmark.full_size.random_models import RandomModels, build
from muse.diffusion.backbones import Backbone
from muse.diffusion.live_memory import bytes_of, decoding_bytes
from muse.diffusion.memory import LEVELS, MemoryNeed, Room, choose, need_of

MODELS = {
    "sd15": "Stable Diffusion 1.5, 512 px",
    "sdxl": "Stable Diffusion XL, 1024 px",
    "sd35": "Stable Diffusion 3.5 medium, 1024 px",
    "flux": "FLUX.1 dev, 1024 px",
}
CARDS = (12, 24, 48, 141)
"""GB of the cards, as their makers count them; 141 is an H200."""

GB, GIB = 10**9, 1 << 30
BATCH = 8
"""Rows of a batch, by default."""


@dataclass(frozen=True)
class Count:
    """Bytes of one model.

    Attributes:
        network, encoders, others: weights; `others` are VAE, tiny decoder, guide and CLIP.
        tiny, full: the need with a tiny decoder for the guide, and with the VAE itself.
        decoding: of one finished image by the VAE.
    """

    network: int
    encoders: int
    others: int
    tiny: MemoryNeed
    full: MemoryNeed
    decoding: int


def count(models: RandomModels) -> Count:
    """Count the bytes of models, which may be on the meta device."""
    network, encoders = bytes_of(models.backbone.network), bytes_of(models.backbone.text)
    beside = bytes_of(models.guide) + bytes_of(models.clip)
    total = bytes_of(models.backbone) + beside

    def need(backbone: Backbone) -> MemoryNeed:
        return need_of(backbone, Room(beside=beside, guide=models.guide))

    return Count(
        network,
        encoders,
        total - network - encoders,
        need(models.backbone),
        need(models.exact),
        decoding_bytes(models.backbone),
    )


def fits(need: MemoryNeed, card: int) -> str:
    """The level that is chosen for a card of that many GB, and the rows that fit under it."""
    size = card * GB
    level = choose(need, BATCH, size)
    rows = need.rows(level, size)
    return f"{rows}, {level}" if rows else "no"


def gib(size: int) -> str:
    return f"{size / GIB:.2f}"


def lines_of(name: str, counted: Count) -> list[str]:
    """Two lines of the table: with a tiny decoder, and with the VAE for the guide."""
    lines = []
    for decoder, need in (("tiny", counted.tiny), ("full", counted.full)):
        weights = " + ".join(map(gib, (counted.network, counted.encoders, counted.others)))
        readings = " / ".join(gib(need.reading[level]) for level in LEVELS[:2])
        cells = [fits(need, card) for card in CARDS]
        facts = (MODELS[name], decoder, weights, readings, gib(counted.decoding), *cells)
        lines.append("| " + " | ".join((*facts, f"`--model {name}`")) + " |")
    return lines


def table(names: Sequence[str]) -> str:
    """The table as Markdown: the cards in GB of 10^9 bytes, all else in GiB."""
    cards = [f"{card} GB" for card in CARDS]
    columns = ("model", "decoder", "weights", "reading of a row", "decoding", *cards, "command")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name in names:
        models = build(name, torch.device("meta"), torch.bfloat16)
        lines += lines_of(name, count(models))
    return "\n".join(lines) + "\n"


def main(
    model: Annotated[
        list[str] | None, typer.Option(help="sd15, sdxl, sd35 or flux; all by default.")
    ] = None,
) -> None:
    """Print the table."""
    names = model or list(MODELS)
    if unknown := [name for name in names if name not in MODELS]:
        raise typer.BadParameter(
            f"{unknown[0]!r} is unknown; choose {', '.join(MODELS)}", param_hint="--model"
        )
    print(table(names))


if __name__ == "__main__":
    typer.run(main)
