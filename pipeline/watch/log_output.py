"""What the command says while it runs, through `logging`: plain text, or JSON lines."""

from __future__ import annotations

import json
import logging
import sys
import time

logger = logging.getLogger("muse_batch")

LEVELS = ("debug", "info", "warning", "error")


class _JsonLines(logging.Formatter):
    """An object in each line: `time` (UTC), `level`, `message`."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        level = record.levelname.lower()
        return json.dumps({"time": at, "level": level, "message": record.getMessage()})


class _Stderr(logging.Handler):
    """Writes to the standard error of that moment, which tests and notebooks replace."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def set_up(level: str = "info", as_json: bool = False) -> None:
    """Send what is logged to standard error.

    Args:
        level: the least that is shown, one of `LEVELS`.
        as_json: as JSON lines.
    """
    handler = _Stderr()
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter())
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())


set_up()
