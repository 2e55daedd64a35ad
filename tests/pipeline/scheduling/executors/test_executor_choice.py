"""Which executor the settings name."""

import pytest

from pipeline.config import Config
from pipeline.scheduling.executors.executor_choice import executor_for
from pipeline.scheduling.executors.local_executor import LocalExecutor


@pytest.mark.parametrize(("workers", "expected"), [(0, 1), (3, 3)])
def test_local_runs_in_this_process(workers, expected):
    executor = executor_for(Config(engine="null", executor="local", workers=workers))
    assert isinstance(executor, LocalExecutor)
    assert executor.size == expected


def test_ray_is_the_default():
    from pipeline.scheduling.executors.ray_executor import RayExecutor

    assert isinstance(executor_for(Config(engine="null")), RayExecutor)
