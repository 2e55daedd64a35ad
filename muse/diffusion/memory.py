"""What a model gives up so that its readings fit into the memory of a device.

A reading is an evaluation of the guide with its gradient in the tokens: it takes the most memory.
No level changes what is computed. `medium` computes parts of the forward pass a second time instead
of keeping them; `low` also moves encoders that take no emotional tokens (the T5 of Stable
Diffusion 3) off the device while no prompt is read.

Tiling the VAE is a setting of its own (`load_backbone`), because it changes images: its norms then
see one tile at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from muse.classifiers import EmotionClassifier
from muse.diffusion.backbones.base import Backbone, move
from muse.diffusion.backbones.codec import is_quantized
from muse.diffusion.live_memory import bytes_of, modules_of, on_meta, reading_bytes
from muse.sizes import Size

AUTO = "auto"
"""The first level under which enough rows fit."""

LEVELS = ("high", "medium", "low")
"""By the memory that they take, from much and fast to little and slow."""

USABLE = 0.9
"""Share of a device that is planned with; the rest is for kernels, fragments and the display."""

ENOUGH_ROWS = 4
"""Rows at a time with which a GPU is busy; for more of them nothing is computed twice."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a model takes on a device.

    Attributes:
        weights: of all models that are there throughout.
        movable: of them, the encoders without emotional tokens.
        reading: of one row's reading, by level, beside the weights.
    """

    weights: int
    movable: int
    reading: Mapping[str, int]

    def rows(self, level: str, device_bytes: int) -> int:
        """How many rows fit at a time under a level, as computed."""
        weights = self.weights - (self.movable if level == "low" else 0)
        return max(0, int(USABLE * device_bytes - weights) // max(1, self.reading[level]))


@dataclass(frozen=True)
class Room:
    """Where a model is to fit.

    Attributes:
        level: one of `LEVELS`, or `auto`.
        rows: that are worked on at a time.
        device_bytes: of the device that the model may use; 0 if it is not known.
        beside: bytes of other models there.
        guide: what is evaluated with a gradient; without one it is left out of the count.
        size: of the images; None for the model's own.
    """

    level: str = AUTO
    rows: int = 1
    device_bytes: int = 0
    beside: int = 0
    guide: EmotionClassifier | None = None
    size: Size | None = None

    def __post_init__(self) -> None:
        if self.level not in (AUTO, *LEVELS):
            raise ValueError(f"memory is {self.level!r}; choose {', '.join((AUTO, *LEVELS))}")


def choose(need: MemoryNeed, rows: int, device_bytes: int) -> str:
    """The first level under which all rows fit, or `ENOUGH_ROWS` of them.

    If there is none, the first of those under which the most fit; the last if none fits at all.
    """
    fitting = {level: need.rows(level, device_bytes) for level in LEVELS}
    for level, count in fitting.items():
        if count >= min(rows, ENOUGH_ROWS):
            return level
    most = max(fitting.values())
    return next(level for level in LEVELS if fitting[level] == most) if most else LEVELS[-1]


def apply(backbone: Backbone, level: str) -> None:
    """Have a backbone give up what a level asks for; before it is moved to its device."""
    if level == "high":
        return
    # Each is asked for by itself: `AutoencoderTiny` and a VAE are two models.
    for model in (backbone.network, backbone.codec.vae, backbone.codec.tiny):
        if model is not None:
            model.enable_gradient_checkpointing()
    if level == "low":
        backbone.text.off_device = backbone.text.without_tokens()


def need_of(backbone: Backbone, room: Room) -> MemoryNeed:
    """What a backbone needs, counted on the meta device; in seconds, for large models."""
    movable = [getattr(backbone.text, name) for name in backbone.text.without_tokens()]
    guide = None if room.guide is None else on_meta(room.guide)
    copied = on_meta(backbone)
    reading = {"high": reading_bytes(copied, guide, size=room.size)}
    apply(copied, "medium")
    # What `low` moves is not needed by a reading.
    reading["medium"] = reading["low"] = reading_bytes(copied, guide, size=room.size)
    weights = bytes_of(backbone) + room.beside
    return MemoryNeed(weights, sum(bytes_of(model) for model in movable), reading)


def fit(backbone: Backbone, device: torch.device, room: Room) -> str:
    """Move a backbone to its device as its room asks for; returns the level."""
    level = room.level
    if level == AUTO:
        level = _chosen(backbone, device, room)
    apply(backbone, level)
    move(backbone, device)
    return level


def _chosen(backbone: Backbone, device: torch.device, room: Room) -> str:
    """The level that fits; on a CPU nothing is given up.

    Quantised weights cannot be counted on the meta device: nothing that is cheap is kept then.
    """
    if device.type != "cuda" or not room.device_bytes:
        return LEVELS[0]
    if any(is_quantized(module) for module in modules_of(backbone)):
        return "medium"
    return choose(need_of(backbone, room), room.rows, room.device_bytes)


def device_bytes(device: str | torch.device, share: float = 1.0) -> int:
    """Bytes of a GPU that one of the workers on it may use; 0 of a CPU.

    Args:
        share: GPUs of each worker; from 1 on a worker has a GPU to itself.
    """
    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return 0
    total = torch.cuda.get_device_properties(torch.device(device)).total_memory
    return int(total * min(1.0, share)) if share > 0 else total
