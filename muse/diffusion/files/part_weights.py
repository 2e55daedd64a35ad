"""The files of a part's weights, and what tensors they hold by their headers; nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from muse.diffusion.files.model_files import STEMS, ModelFolder, read_json
from muse.diffusion.files.single_files import tensor_shapes


def part_shapes(folder: ModelFolder, part: str) -> Mapping[str, Sequence[int]]:
    """The shapes of the tensors of a part by their names; empty where they cannot be read."""
    stem = STEMS.get(folder.parts[part][0], STEMS["transformers"])
    shapes: dict[str, Sequence[int]] = {}
    try:
        for file in _weights(folder.path / part, folder.variant(part), stem):
            shapes |= tensor_shapes(file)
    except ValueError:
        return {}
    return shapes


def _weights(part: Path, variant: str | None, stem: str) -> list[Path]:
    """The files of a part's weights.

    Raises:
        ValueError: the index of sharded ones cannot be read.
    """
    mark = "" if variant is None else f".{variant}"
    whole = part / f"{stem}{mark}.safetensors"
    if whole.is_file():
        return [whole]
    shards = read_json(part / f"{stem}.safetensors.index{mark}.json").get("weight_map")
    names = shards.values() if isinstance(shards, dict) else ()
    return [part / name for name in sorted({str(name) for name in names})]
