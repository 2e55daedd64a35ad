"""Calls to an object store, retried with growing pauses until a timeout."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import RunStopped, UserError
from pipeline.storage.addresses import public

STORE_TIMEOUT_S = 120.0
"""Seconds for which one call is retried."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 20.0

PERMANENT_ERRORS = (
    UserError,
    RunStopped,
    FileNotFoundError,
    ValueError,
    TypeError,
    NotImplementedError,
    IsADirectoryError,
)
"""Errors that a retry does not fix."""
ACCESS_ERRORS = (
    *(
        "NoCredentials",
        "PartialCredentials",
        "CredentialRetrieval",
        "TokenRetrieval",
        "UnauthorizedSSO",
        "ExpiredToken",
    ),
    *("RefreshError", "DefaultCredentialsError", "GatedRepo", "LoginError", "ClientAuthentication"),
)
"""Beginnings of the names of the errors by which the clouds' libraries refuse access."""

MISTAKES = ("ParamValidation", "InvalidURL", "InvalidBucketName")
"""Beginnings of the names of the errors by which they refuse an address that cannot exist."""

T = TypeVar("T")


def attempt(call: Callable[[], T], where: str, store_timeout_s: float = STORE_TIMEOUT_S) -> T:
    """The result of `call`, retried after transient faults.

    Those are 500s, throttling, timeouts and cut connections.

    Args:
        where: the location as messages name it, without secrets.
        store_timeout_s: seconds within which a retry may begin.

    Raises:
        FileNotFoundError, ValueError and the like: a retry would not help.
        UserError: the address cannot exist.
        RunStopped: access refused (raised at once), or the timeout is over.
    """
    began, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            return call()
        except PERMANENT_ERRORS:
            raise
        except Exception as error:  # clients raise OSError, their own and their libraries' errors
            message = " ".join(public(str(error)).split())
            cause = f"{type(error).__name__}: {message}".rstrip(": ")
            if _is_refusal(error):
                raise RunStopped(
                    f"{where}: access refused ({cause}); give valid credentials in the environment "
                    "or by the cloud's own chain"
                ) from None
            if type(error).__name__.startswith(MISTAKES):
                raise UserError(
                    f"{where}: no such address can exist ({cause}); correct it"
                ) from None
            wait = min(pause, LONGEST_PAUSE) * random.uniform(0.5, 1.5)
            elapsed = time.monotonic() - began
            if elapsed + wait > store_timeout_s:
                raise RunStopped(f"{where}: gave up after {elapsed:.0f} s ({cause})") from None
            time.sleep(wait)
            pause *= 2


def _is_refusal(error: Exception) -> bool:
    """Whether the store refuses access; gcsfs does so by an OSError of 403, or by the code 401."""
    if isinstance(error, PermissionError) or type(error).__name__.startswith(ACCESS_ERRORS):
        return True
    return str(error).startswith("Forbidden: ") or getattr(error, "code", None) == 401
