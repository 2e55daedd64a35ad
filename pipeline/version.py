"""The version of muse-batch."""

from __future__ import annotations


def version() -> str:
    """That of the installed package, which is slow to look up."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("muse-batch")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0.0.0"
