import pytest

from pipeline.scheduling.executors.executor import last_line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a\n  the cause\n\n"), "the cause"),
        (ValueError(), "ValueError"),
        (OSError(28, "No space left"), "No space left"),
        (OSError(28, "No space left", "/disk/x"), "No space left: /disk/x"),
        (OSError("no such thing"), "no such thing"),
    ],
)
def test_of_an_error_the_last_line_is_reported(error, expected):
    assert last_line(error) == expected
