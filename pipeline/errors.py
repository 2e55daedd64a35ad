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


class UserError(Exception):
    """A mistake of the user's: shown as one clear message, exit code 2."""


class RunStopped(Exception):
    """The run cannot go on, and nothing is lost: shown with its cause, exit code 1."""


class ImageError(Exception):
    """A source image that cannot be used: its request fails, the message says why."""
