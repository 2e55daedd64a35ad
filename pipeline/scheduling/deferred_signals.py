"""Signals that wait until something is done which they must not interrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_signals(first_waits: bool = True) -> Iterator[None]:
    """Within the context, the first signal waits for its end; a second one acts at once.

    In the end the handlers are those of before, whatever was called meanwhile. On other threads
    than the first one nothing is deferred: Python has no signals there.

    Args:
        first_waits: if not, the first one acts at once, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # None is a handler that was not set by Python, which cannot set it again either.
    known = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in known.items() if handler is not None}
    # What is no Python function is the system's own action, which is not deferred.
    handlers = {number: handler for number, handler in before.items() if callable(handler)}
    waiting: list[tuple[int, FrameType | None]] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        waiting.append((number, frame))
        handler = handlers[signal.Signals(number)]
        if (len(waiting) > 1 or not first_waits) and callable(handler):
            waiting.clear()
            handler(number, frame)

    for number in handlers:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for came, frame in waiting:
            handler = handlers[signal.Signals(came)]
            if callable(handler):
                handler(came, frame)
