"""The batch size of a run, by the memory that a trial took."""

from __future__ import annotations

from pipeline.config import Config
from pipeline.forecast.memory import HOST, MemoryUse

MAX_RAISED = 64
"""No batch size is raised beyond. A batch is what a worker that dies has to make again."""

MIN_BATCHES = 32
"""A batch size is raised only so far that a run has as many batches, which its workers share."""


def fitting_settings(config: Config, memory: MemoryUse, requests: int) -> dict[str, int]:
    """The settings of a run that have to differ from `config`, so that its batches fit.

    What was given is lowered where it does not fit. A batch size that nobody gave is raised on a
    GPU, which makes more images at a time in less than so much more time.

    Args:
        memory: of a trial with these settings.
        requests: of the run.

    Returns:
        `batch_size` or, where that bounds how many requests are made together, `slots`; empty if
        nothing has to differ.
    """
    fits = max(1, memory.fits)
    # As many as are open at a time; a batch may have more.
    if 0 < config.slots <= config.batch_size:
        return {"slots": fits} if config.slots > fits else {}
    if config.batch_size > fits:
        return {"batch_size": fits}
    if "batch_size" in config.model_fields_set or config.slots or memory.device == HOST:
        return {}
    raised = min(fits, MAX_RAISED, requests // MIN_BATCHES)
    return {"batch_size": raised} if raised > config.batch_size else {}
