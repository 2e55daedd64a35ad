"""The command line: parses, calls, prints."""

from pipeline.cli.commands import app

__all__ = ["app"]
