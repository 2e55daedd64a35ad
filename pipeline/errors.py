"""Errors that a user can fix."""

import errno

NO_ACCESS = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)
"""Numbers of errors that stay until somebody changes the permissions, the disk or the path."""

MAX_LINES = 4
"""Lines of a message that `one_line` keeps."""


class UserError(Exception):
    """A mistake of the user's: shown as one clear message, exit code 2."""


class RunStopped(Exception):
    """The run cannot go on, and nothing is lost: shown with its cause, exit code 1.

    Attributes:
        resumes: whether the same command may go on from there at once.
    """

    resumes = True


class NoWorkerStarted(RunStopped):
    """No worker could load its models; another try would end the same way."""

    resumes = False


class ImageError(Exception):
    """A source image that cannot be used: its request fails, the message says why."""


def one_line(error: BaseException) -> str:
    """What an error says, in one line; of a long message the first lines and the last."""
    lines = [line.strip() for line in _text(error).splitlines() if line.strip()]
    if len(lines) > MAX_LINES:
        left_out = len(lines) - MAX_LINES
        lines = [*lines[: MAX_LINES - 1], f"... ({left_out} more lines)", lines[-1]]
    joined = ""
    for line in lines:
        joined += (" " if joined[-1:] in ("", *".:;,") else "; ") + line
    return joined.strip() or type(error).__name__


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        # Without its number.
        return error.strerror + (f": {error.filename}" if error.filename else "")
    # What these say is not understood without their names, as "list index out of range".
    if isinstance(error, (LookupError, TypeError, AttributeError, AssertionError)):
        return f"{type(error).__name__}: {error}"
    return str(error)
