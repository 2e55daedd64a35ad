"""The similarity from which an image counts as having its content. This module imports no torch.

Cosines of one CLIP mean nothing to another, so a level belongs to the model of image-text
similarity: it is in `similarity.json` beside it, unless the method names one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from muse.method import Method

LEVELS_FILE = "similarity.json"
"""Beside the model; its keys are the attributes of `ContentLevels`."""


@dataclass(frozen=True)
class ContentLevels:
    """What cosines in [-1, 1] of a CLIP tell of an image's content; None where it is unknown.

    Attributes:
        content_similarity: to the prompt, from which an image has its content while it is
            optimised.
        content_source_similarity: of an edit to its source image, likewise.
        min_similarity: to the prompt, from which a finished image may be accepted.
        min_source_similarity: of an edit to its source image, likewise.
        timing_level: to the prompt, from which guidance may start.
    """

    content_similarity: float | None = None
    content_source_similarity: float | None = None
    min_similarity: float | None = None
    min_source_similarity: float | None = None
    timing_level: float | None = None

    @classmethod
    def read(cls, folder: Path) -> ContentLevels:
        """Those in the file of a model's folder; unknown where there is no such file.

        Raises:
            ValueError: the file has other keys, or values that are no cosines.
        """
        file = folder / LEVELS_FILE
        if not file.exists():
            return UNKNOWN
        try:
            levels = cls(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            levels = None
        if levels is None or not all(map(_is_cosine, vars(levels).values())):
            keys = ", ".join(vars(UNKNOWN))
            raise ValueError(f"{file} may have the keys {keys} alone, each from -1 to 1")
        return levels

    def of(self, method: Method) -> ContentLevels:
        """With the levels of the method where it names any."""
        return replace(
            self,
            content_similarity=method.content_similarity or self.content_similarity,
            content_source_similarity=method.content_source_similarity
            or self.content_source_similarity,
        )

    @property
    def steers(self) -> bool:
        """Whether a level is known that optimisation can hold to."""
        return (self.content_similarity, self.content_source_similarity) != (None, None)

    def warning(self, method: Method, model: str) -> str | None:
        """That content is not looked at though the method wants it, because no level is known.

        Args:
            model: the name of the similarity model, of which these are.
        """
        is_wanted = method.content_weight > 0 and method.timing != "never"
        if not is_wanted or self.of(method).steers:
            return None
        return (
            f"method.content_weight: no effect, as no level is known for the similarity model "
            f"{model}, so an image may lose its content; give method.content_similarity "
            "(docs/method.md tells how to choose it), or a weight of 0"
        )


UNKNOWN = ContentLevels()


def _is_cosine(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (is_number and -1 <= value <= 1)
