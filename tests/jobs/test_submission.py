"""Attempts at a run on a cluster: their names and commands, and which of them is repeated."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs import submission
from jobs.submission import attempts, command, was_killed

ADDRESS = "http://head:8265"


def test_the_job_is_named_after_its_output():
    def plan(output, **more):
        return submission.plan("/m.parquet", output, [], ADDRESS, **more)

    assert plan("/a").id == plan("/a").id != plan("/b").id
    assert command(plan("/a"), wait=False).count("--no-wait") == 1
    assert "--runtime-env-json" not in command(plan("/a"))
    assert plan("/a", working_dir=Path("here")).runtime_env == {"working_dir": "here"}


def job(number, status="FAILED", code=None):
    return SimpleNamespace(
        submission_id=f"muse-batch-abc-{number}", status=status, driver_exit_code=code
    )


def test_attempts_are_in_order_and_of_this_run_alone():
    others = [
        SimpleNamespace(submission_id=name)
        for name in (None, "muse-batch-abd-4", "mine", "muse-batch-abc-x-1")
    ]
    found = attempts([job(10), *others, job(2), job(1)], "muse-batch-abc")
    assert [one.submission_id[-2:] for one in found] == ["-1", "-2", "10"]


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        ("FAILED", None, True),  # its node is gone
        ("FAILED", -9, True),
        ("FAILED", 137, True),
        ("FAILED", 130, True),  # preempted with notice: the run ended in order
        ("FAILED", 1, False),
        ("FAILED", 2, False),
        ("STOPPED", None, False),
        ("STOPPED", 130, False),
        ("SUCCEEDED", 0, False),
    ],
)
def test_only_what_was_killed_is_submitted_again(status, code, again):
    assert was_killed(job(1, status, code)) is again
