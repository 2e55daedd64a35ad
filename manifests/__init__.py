"""What to make: manifests in parquet, read in a stream and checked before anything is loaded."""

from pathlib import Path

EXAMPLES = Path(__file__).parent / "examples"
"""The folder of the examples that come with the package."""
