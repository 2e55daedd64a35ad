"""How a manifest becomes a corpus: plan, batches, shards, index."""


def __getattr__(name: str) -> str:
    """`__version__`, read from the installed package on first use, because that is slow."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("muse-batch")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0.0.0"
