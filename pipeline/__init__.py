"""How a manifest becomes a corpus: plan, batches, shards, index."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("muse-batch")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"
