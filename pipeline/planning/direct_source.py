"""A text file, a table or a folder of images in the place of a manifest."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.check import ManifestError
from pipeline.config import Config
from pipeline.errors import UserError

SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson")


def is_direct(path: str) -> bool:
    """Whether a path names something that a manifest is made of on the way."""
    return "://" not in path and (Path(path).suffix.lower() in SUFFIXES or os.path.isdir(path))


def folder_of_source(path: str) -> str:
    """The folder that paths of images of a source refer to: the one that it is in."""
    return os.path.dirname(os.path.realpath(path))


@contextmanager
def built_manifest(path: str, config: Config, warn: Callable[[str], None]) -> Iterator[str]:
    """A manifest of a source, for as long as the context lasts; the same source gives the same.

    Args:
        warn: is called with what was skipped or guessed.

    Raises:
        UserError: it is ambiguous what to make of it; says the command that decides.
    """
    from manifests.builder.build import build
    from manifests.builder.recipe import Recipe
    from manifests.builder.sources.images import ImageFolder
    from manifests.builder.sources.open import open_source

    with tempfile.TemporaryDirectory(prefix="muse-batch-") as folder:
        output = str(Path(folder) / "manifest.parquet")
        try:
            source = open_source(path, {})
            if os.path.isdir(path) and not isinstance(source, ImageFolder):
                raise UserError(f"{path}: is no folder of images{_remedy(path)}")
            recipe = Recipe(config.taxonomy.labels)
            built = build([source], output, recipe, base=folder_of_source(path))
        except ManifestError as error:
            raise UserError(f"{error}{_remedy(path)}") from None
        # A manifest may leave emotions open; of prompts alone, nobody has said that all are meant.
        opened = built.generate[""] + built.edit[""]
        if opened and "emotions" not in config.model_fields_set:
            raise UserError(
                f"{path}: {opened} row(s) name no emotion; give --emotions awe,fear, or "
                "--emotions all"
            )
        for note in built.notes:
            warn(note)
        yield output


def _remedy(path: str) -> str:
    """How to make a manifest by hand, where it is not clear what is meant."""
    name = Path(path.rstrip("/")).stem or "manifest"
    words = shlex.join(["muse-batch", "manifest", "build", path, "-o", f"{name}.parquet"])
    return f"\nTo say what is meant, make a manifest, with what is missing as options:\n  {words}"
