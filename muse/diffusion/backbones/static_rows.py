"""A compiled network, and the few numbers of rows that it is given.

Rows join and end at any step, so that a network sees other numbers of them all the time. Code that
is compiled for any number is slower than code for one (pytorch #188150): rows are padded to a few
numbers instead, and what is padded is thrown away.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from muse.diffusion.backbones.base import Backbone, Conditioning

ROWS = (1, 2, 4, 8, 16, 32)
"""The numbers of rows that a network is given; above, multiples of the last."""

MAX_GRAPHS = 512
"""Graphs that torch may compile of one block: one for each of its widths, number of rows and size
of the images, with and without gradients. Beyond the limit of torch, 8, blocks are not compiled.
"""


def padded_rows(rows: int) -> int:
    """The next number of rows that a network is given."""
    most = ROWS[-1]
    return next((number for number in ROWS if number >= rows), -(-rows // most) * most)


def compile_blocks(network: nn.Module) -> None:
    """Have torch compile the blocks that a network repeats, each kind of them once, on first use.

    That takes a fraction of the time that the whole network takes (regional compilation).
    """
    if not getattr(network, "_repeated_blocks", None):
        # Not every network names them; blocks that are never split over devices are the same.
        network._repeated_blocks = list(network._no_split_modules or ())
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, MAX_GRAPHS)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, 8 * MAX_GRAPHS)
    network.compile_repeated_blocks(dynamic=False)


class StaticRows:
    """A backbone whose network is given only numbers of rows in `ROWS`. All else is the backbone's.

    A padded row repeats the last one. No layer mixes rows, so the others are as without it.
    """

    def __init__(self, backbone: Backbone):
        self.backbone = backbone

    def __getattr__(self, name: str) -> Any:
        # Not of a copy that is just being made.
        if name == "backbone" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.backbone, name)

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """As `Backbone.predict`."""
        rows = len(latents)
        wanted = padded_rows(rows)
        if wanted == rows:
            return self.backbone.predict(latents, timesteps, conditioning)
        index = torch.arange(wanted).clamp(max=rows - 1)
        given = latents[index], timesteps[index], conditioning.rows(index)
        return self.backbone.predict(*given)[:rows]
