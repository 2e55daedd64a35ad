import pytest

from pipeline.scheduling.executors.authentication import token_problem


class AuthenticationError(Exception):
    """As Ray's, by name."""


MISSING = AuthenticationError("Authentication required: Unauthorized: Missing authentication token")
REFUSED = AuthenticationError("Authentication failed: Forbidden: Invalid authentication token")


@pytest.mark.parametrize(
    ("mode", "error", "problem"),
    [
        ("", MISSING, "the cluster requires a token"),
        ("token", MISSING, "RAY_AUTH_MODE is token, but there is no token"),
        ("token", REFUSED, "the cluster refuses the token of this environment"),
    ],
)
def test_a_cluster_that_turns_the_user_away_is_reported_with_the_remedy(
    monkeypatch, mode, error, problem
):
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    wrapped = ConnectionError("failed to connect")
    wrapped.__cause__ = error
    for one in (error, wrapped):
        text = token_problem(one)
        assert text.startswith(problem)
        assert "RAY_AUTH_TOKEN" in text


def test_other_errors_are_not_about_tokens():
    assert token_problem(ConnectionError("connection refused")) is None
