"""What a run may cost: when its settings let no further batch begin."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config import Config
from pipeline.watch.log_output import logger
from pipeline.watch.summary import RunWatch


class Budget:
    """The limits of `max_gpu_hours` and `max_cost`, over all sessions of a run.

    Args:
        clock: seconds, as `time.time()`.
    """

    def __init__(self, config: Config, watch: RunWatch, clock: Callable[[], float] = time.time):
        self.config, self.watch, self.clock = config, watch, clock
        self.has_warned = False

    def note(self, entry: Mapping[str, Any]) -> None:
        """Take an entry of the log: warn once if a worker has no GPU, whose hours count nothing."""
        limits = [name for name in ("max_gpu_hours", "max_cost") if getattr(self.config, name)]
        on_cpu = entry.get("event") == "ready" and entry.get("device") == "cpu"
        if limits and on_cpu and not self.has_warned:
            self.has_warned = True
            logger.warning(
                "warning: %s: a worker has no GPU; its hours count nothing", " and ".join(limits)
            )

    def spent(self) -> str | None:
        """Which limit is reached, in words, with the remedy; None if none is.

        Batches in work are still finished, so that a run goes beyond by one batch of each worker.
        """
        config = self.config
        hours = self.watch.gpu_hours(self.clock())
        if config.max_gpu_hours and hours >= config.max_gpu_hours:
            return _reached("max_gpu_hours", f"{hours:.2f} GPU-hours", config.max_gpu_hours)
        cost = hours * config.gpu_hour_price
        if config.max_cost and cost >= config.max_cost:
            return _reached("max_cost", f"{cost:.2f}", config.max_cost)
        return None


def _reached(name: str, used: str, limit: float) -> str:
    return (
        f"the budget is spent: {used} of {name} = {limit:g}. What is finished is saved; the same "
        f"command with a higher {name} goes on"
    )
