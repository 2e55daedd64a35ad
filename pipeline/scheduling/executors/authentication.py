"""Clusters that require a token: the message for a user whom one refuses."""

from __future__ import annotations

import os

REMEDY = (
    "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to its token, which `ray get-auth-token` prints on "
    "the head node (or RAY_AUTH_TOKEN_PATH to a file with it)"
)


def token_problem(error: BaseException) -> str | None:
    """The problem with the token and its remedy, if an error of Ray's is about that."""
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(f"{type(cause).__name__} {cause}")
        cause = cause.__cause__ or cause.__context__
    text = " ".join(texts)
    if "AuthenticationError" not in text and "InvalidAuthToken" not in text:
        return None
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return f"the cluster requires a token; {REMEDY}"
    if "no authentication token was found" in text or "Missing authentication" in text:
        return f"RAY_AUTH_MODE is token, but there is no token; {REMEDY}"
    return f"the cluster refuses the token of this environment; {REMEDY}"
