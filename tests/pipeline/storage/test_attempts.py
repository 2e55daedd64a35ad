"""Calls that are retried: which errors, how long, and what is reported in the end."""

import pytest

from pipeline.errors import RunStopped, UserError
from pipeline.storage import attempts
from pipeline.storage.attempts import attempt


class ExpiredToken(Exception):
    """As a cloud's library names it."""


class ParamValidationError(Exception):
    """As botocore names it."""


class Clock:
    """Time passes by sleeping alone."""

    def __init__(self):
        self.now, self.pauses = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(attempts, "time", clock)
    monkeypatch.setattr(attempts.random, "uniform", lambda low, high: 1.0)
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 1.0)
    return clock


def failing(times, error):
    """A call that fails so many times, then returns how often it was made."""
    made = []

    def call():
        made.append(1)
        if len(made) <= times:
            raise error
        return len(made)

    return call


def test_a_passing_fault_is_retried_with_pauses_that_double_up_to_a_limit(clock):
    assert attempt(failing(7, OSError("busy")), "s3://b/k", 1000) == 8
    assert clock.pauses == [1, 2, 4, 8, 16, 20, 20]


def test_the_run_stops_before_a_retry_that_would_begin_after_the_timeout(clock):
    message = r"s3://b/k: gave up after 7 s \(OSError: busy at https://host/k\)"
    with pytest.raises(RunStopped, match=message):
        attempt(failing(99, OSError("busy\nat https://me:word@host/k?sig=word")), "s3://b/k", 10)
    assert clock.pauses == [1, 2, 4]


@pytest.mark.parametrize("error", [FileNotFoundError("k"), ValueError("k"), RunStopped("k")])
def test_what_a_retry_does_not_fix_is_raised_at_once(clock, error):
    with pytest.raises(type(error), match=r"^k$"):
        attempt(failing(1, error), "s3://b/k", 1000)
    assert clock.pauses == []


@pytest.mark.parametrize(
    "error", [ExpiredToken("old"), PermissionError("no"), OSError("Forbidden: no")]
)
def test_refused_access_stops_the_run_at_once_with_the_remedy(clock, error):
    with pytest.raises(
        RunStopped, match=r"s3://b/k: access refused \(.*\); give valid credentials"
    ):
        attempt(failing(1, error), "s3://b/k", 1000)
    assert clock.pauses == []


def test_an_address_that_cannot_exist_is_refused_at_once(clock):
    call = failing(9, ParamValidationError("Invalid bucket name"))
    with pytest.raises(UserError, match=r"s3://B!/x: no such address can exist \(ParamValidation"):
        attempt(call, "s3://B!/x")
    assert clock.pauses == []
