"""Emotion guidance for frozen diffusion models: `from muse import MusePipeline, Method, Target`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from muse.api import MusePipeline
    from muse.emotions import MIKELS, Target, Taxonomy
    from muse.emotions.taxonomies import load_taxonomy
    from muse.engine.engine import MuseEngine
    from muse.method import Method
    from muse.output import MuseOutput
    from muse.request import Request, Sample, Trace

# Imported on first use: `import muse` and `from muse import Method` leave torch alone.
_MODULES = {
    "MIKELS": "muse.emotions",
    "Method": "muse.method",
    "MuseEngine": "muse.engine.engine",
    "MuseOutput": "muse.output",
    "MusePipeline": "muse.api",
    "Request": "muse.request",
    "Sample": "muse.request",
    "Target": "muse.emotions",
    "Taxonomy": "muse.emotions",
    "Trace": "muse.request",
    "load_taxonomy": "muse.emotions.taxonomies",
}

__all__ = [
    "MIKELS",
    "Method",
    "MuseEngine",
    "MuseOutput",
    "MusePipeline",
    "Request",
    "Sample",
    "Target",
    "Taxonomy",
    "Trace",
    "load_taxonomy",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'muse' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
