"""How a manifest becomes a corpus: plan, batches, shards, index.

From Python: `from pipeline import Corpus, run`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import Corpus, run

__all__ = ["Corpus", "run"]


def __getattr__(name: str) -> Any:
    """What takes long to import or to look up, on first use."""
    if name in __all__:
        return getattr(import_module("pipeline.api"), name)
    if name == "__version__":
        return import_module("pipeline.version").version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
