"""Which executor the settings name; what is told of an error."""

import pytest

from pipeline.config import Config
from pipeline.scheduling.executor import executor_for, last_line
from pipeline.scheduling.local_executor import LocalExecutor


@pytest.mark.parametrize(("workers", "expected"), [(0, 1), (3, 3)])
def test_local_runs_in_this_process(workers, expected):
    executor = executor_for(Config(engine="null", executor="local", workers=workers))
    assert isinstance(executor, LocalExecutor)
    assert executor.size == expected


def test_ray_is_the_default():
    from pipeline.scheduling.ray_executor import RayExecutor

    assert isinstance(executor_for(Config(engine="null")), RayExecutor)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a\n  the cause\n\n"), "the cause"),
        (ValueError(), "ValueError"),
        (OSError(28, "No space left"), "[Errno 28] No space left"),
    ],
)
def test_of_an_error_the_last_line_is_reported(error, expected):
    assert last_line(error) == expected
