"""An engine without a model: images and scores from the seed alone. For tests, dry runs and scale runs.

It goes through every other real part of a run: planning, actors, verdicts, batches, shards.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.config import Null
from pipeline.generation.engine import EngineInput, EngineOutput, Scores
from pipeline.planning.retry_strategy import is_refinement

if TYPE_CHECKING:
    from numpy.random import Generator

SIDE, CELLS = 64, 8
KILL, HANG, RAISE, BLIND = "(kills its worker)", "(hangs)", "(raises)", "(blinds its judge)"
"""With `faults`, a prompt that contains one of these brings that about."""


class NullEngine:
    """Draws coloured cells; the confidence of its judge is uniform in [0, 1]."""

    side = SIDE

    def __init__(self, settings: Null):
        self.settings = settings

    def draw(self, requests: Sequence[EngineInput]) -> list[EngineOutput]:
        """Every image depends on its own request alone, whatever it is drawn with."""
        if self.settings.memory and len(requests) > self.settings.memory:
            raise MemoryError(
                f"null.memory is {self.settings.memory}, {len(requests)} requests were drawn together"
            )
        return [self._one(asked) for asked in requests]

    def _one(self, asked: EngineInput) -> EngineOutput:
        import numpy as np

        if self.settings.faults:
            _fault(asked.planned.prompt)
        if self.settings.delay:
            time.sleep(self.settings.delay)
        # The key, too: a row's own seed serves all its emotions. And a refinement is another image.
        refined = [1] if is_refinement(asked.planned) else []
        rng = np.random.default_rng([asked.planned.seed, int(asked.planned.key), *refined])
        if rng.random() < self.settings.failures:
            return EngineOutput(None, failure="the null engine failed, as null.failures asks")
        cells = Image.fromarray(rng.integers(0, 256, (CELLS, CELLS, 3), dtype=np.uint8))
        picture = cells.resize((SIDE, SIDE), Image.Resampling.NEAREST)
        if asked.image is not None:
            picture = Image.blend(asked.image, picture, 0.5)
        judge, guide = (_odds(rng, asked.target.weights) for _ in range(2))
        if self.settings.faults and BLIND in asked.planned.prompt:
            judge = [float("nan")] * len(judge)
        judged, guided = (Scores(p, asked.target.confidence(p)) for p in (judge, guide))
        return EngineOutput(picture, judged, guided, float(rng.random()))


def _odds(rng: Generator, weights: Sequence[float]) -> list[float]:
    """Probabilities that confirm the target by a uniform share, and spread the rest over all others."""
    share = float(rng.random())
    others = sum(weight == 0 for weight in weights)
    if not others:
        return list(weights)
    return [share * weight if weight else (1 - share) / others for weight in weights]


def _fault(prompt: str) -> None:
    if KILL in prompt:
        os.kill(os.getpid(), signal.SIGKILL)
    if HANG in prompt:
        time.sleep(1e6)
    if RAISE in prompt:
        raise RuntimeError("the null engine raised, as the prompt asks")
