"""The executor that the settings name. Ray is imported only where it is used."""

from __future__ import annotations

import os

from pipeline.config import Config
from pipeline.scheduling.executors.executor import Executor


def executor_for(config: Config) -> Executor:
    """The executor that the settings name."""
    if config.executor == "local":
        from pipeline.scheduling.executors.local_executor import LocalExecutor

        return LocalExecutor(workers=config.workers or 1)
    if not config.address:
        # Ray reads this when it is imported. Without clusters, its services listen on loopback
        # only.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from pipeline.scheduling.executors.ray_executor import RayExecutor

    return RayExecutor()
