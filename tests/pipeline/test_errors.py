import pytest

from pipeline.errors import MAX_LINES, NoWorkerStarted, RunStopped, one_line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ValueError("the file is damaged\n  Copy it again\n\n"),
            "the file is damaged; Copy it again",
        ),
        (
            RuntimeError("Error(s) in loading UNet:\n\tsize mismatch"),
            "Error(s) in loading UNet: size mismatch",
        ),
        (ValueError(), "ValueError"),
        (OSError(28, "No space left"), "No space left"),
        (OSError(28, "No space left", "/disk/x"), "No space left: /disk/x"),
        (OSError("no such thing"), "no such thing"),
        (IndexError("list index out of range"), "IndexError: list index out of range"),
    ],
)
def test_an_error_is_told_whole_in_one_line(error, expected):
    assert one_line(error) == expected


def test_of_a_long_message_the_first_lines_and_the_last_are_told():
    told = one_line(ValueError("\n".join(map(str, range(100)))))
    assert told == f"0; 1; 2; ... ({100 - MAX_LINES} more lines); 99"


def test_only_a_run_whose_models_do_not_load_stops_again():
    assert RunStopped("the network is down").resumes
    assert not NoWorkerStarted("the model is damaged").resumes
