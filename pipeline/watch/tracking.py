"""A run's figures in TensorBoard or Weights & Biases: `tracking` in the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from pipeline.errors import UserError
from pipeline.planning.checks.placement import LIBRARIES, require_library
from pipeline.storage.files import Location
from pipeline.storage.remote import Remote
from pipeline.watch.summary import Summary


class Tracker(Protocol):
    """Where figures are sent."""

    def add(self, summary: Summary) -> None:
        """Send the figures of a moment; the step is the number of finished requests."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class NoTracker:
    """Sends nothing."""

    def add(self, summary: Summary) -> None:
        pass

    def close(self) -> None:
        pass


class TensorBoard:
    """Event files in `_state/tensorboard` of the output."""

    def __init__(self, output: Location):
        if isinstance(output, Remote):
            raise UserError(f'tracking = "tensorboard": {output} is no local folder')
        writer = _library("tensorboard").SummaryWriter
        self.writer = writer(logdir=str(output / "_state" / "tensorboard"))

    def add(self, summary: Summary) -> None:
        for name, value in figures(summary):
            self.writer.add_scalar(name, value, summary.done)

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """A run of the project `muse-batch`; the same one after a resume. WANDB_* variables apply."""

    def __init__(self, output: Location, name: str):
        wandb = _library("wandb")
        directory = None if isinstance(output, Remote) else str(output / "_state")
        self.run = wandb.init(project="muse-batch", id=name, resume="allow", dir=directory)

    def add(self, summary: Summary) -> None:
        self.run.log(dict(figures(summary)), step=summary.done)

    def close(self) -> None:
        self.run.finish()


def tracker_for(kind: str, output: Location, name: str) -> Tracker:
    """The tracker of that kind.

    Args:
        kind: `none`, `tensorboard` or `wandb`.
        name: of the run, the same whenever it is resumed.

    Raises:
        UserError: its library is not installed, or it cannot write to such an output.
    """
    if kind == "tensorboard":
        return TensorBoard(output)
    return WeightsAndBiases(output, name) if kind == "wandb" else NoTracker()


def figures(summary: Summary) -> Iterator[tuple[str, float]]:
    """Names and values of what is sent."""
    yield "requests/done", summary.done
    for status, count in summary.statuses.items():
        yield f"requests/{status}", count
    for emotion, decided in summary.emotions.items():
        yield f"acceptance/{emotion}", decided.share
    if summary.images_per_second is not None:
        yield "images_per_second", summary.images_per_second
    yield "workers", summary.workers
    yield "gpu_hours", summary.gpu_hours


def _library(tracking: str) -> Any:
    from importlib import import_module

    require_library(LIBRARIES[tracking], tracking)
    return import_module(LIBRARIES[tracking])
