"""A stopwatch for parts of a program; each part has only its own time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch

from muse.engine.engine import MuseEngine

ENGINE = "engine itself"
"""Samplers, schedules, optimiser and bookkeeping."""


class Stopwatch:
    """Seconds by part. An inner part stops the clock of the outer one, so parts add up.

    Args:
        synchronize: called whenever the clock is read; on a GPU it waits for the device.
    """

    def __init__(self, synchronize: Callable[[], None] = lambda: None):
        self.seconds: dict[str, float] = defaultdict(float)
        self.synchronize = synchronize
        self.open: list[str] = []
        self.since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._charge()
        self.open.append(name)
        try:
            yield
        finally:
            self._charge()
            self.open.pop()

    def _charge(self) -> None:
        self.synchronize()
        now = time.perf_counter()
        if self.open:
            self.seconds[self.open[-1]] += now - self.since
        self.since = now

    def watch(
        self, owner: Any, function: str, name: str, inside: str = ""
    ) -> AbstractContextManager[Any]:
        """Time calls of `owner.function` as the part `name`, while the context lasts.

        Args:
            inside: only time calls that come directly from this part.
        """
        plain = getattr(owner, function)

        def watched(*arguments: Any, **options: Any) -> Any:
            if inside and self.open[-1:] != [inside]:
                return plain(*arguments, **options)
            with self.part(name):
                return plain(*arguments, **options)

        return patch.object(owner, function, watched)

    @contextmanager
    def engine(self, engine: MuseEngine) -> Iterator[None]:
        """Watch an engine and its calls of models. The whole gradient is one part."""
        setup = engine.setup
        backbone, codec = setup.backbone, setup.backbone.codec
        with ExitStack() as watched:
            watched.enter_context(self.watch(engine, "run", ENGINE))
            for owner, function, name in (
                (backbone, "predict", "network"),
                (backbone, "embed", "text encoders"),
                (codec, "decode_draft", "decoder for the guide"),
                (codec, "decode", "full decoder"),
                (codec, "encode", "encoder"),
                (setup.guide, "logits", "guide"),
                (setup.clip, "image", "similarity"),
                (torch.autograd, "grad", "gradient"),
            ):
                watched.enter_context(self.watch(owner, function, name, inside=ENGINE))
            yield
