"""The files of a part's weights, and what tensors they hold by their headers; nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from muse.diffusion.files.model_files import STEMS, ModelFolder, read_json, variant_of
from muse.diffusion.files.single_files import tensor_shapes

Shapes = Mapping[str, Sequence[int]]
"""The shapes of tensors by their names."""


class PartlyRead(UserWarning):
    """A file of weights holds more than the model takes from it."""


def part_shapes(folder: ModelFolder, part: str) -> Shapes:
    """The shapes of the tensors that are loaded for a part; empty where they cannot be read."""
    try:
        return shapes_in(folder.path / part, folder.parts[part][0])
    except ValueError:
        return {}


def shapes_in(part: Path, library: str = "diffusers") -> Shapes:
    """The shapes of the tensors that a library reads from the folder of a part.

    Raises:
        ValueError: the folder has no weights, or a file cannot be read.
    """
    variant = variant_of(part, library)
    stem, mark = STEMS.get(library, STEMS["transformers"]), "" if variant is None else f".{variant}"
    whole = part / f"{stem}{mark}.safetensors"
    index = part / f"{stem}.safetensors.index{mark}.json"
    # diffusers reads an index first, and of the shards only what it names. transformers reads a
    # whole file first, and all that is in shards.
    is_index_first = library == "diffusers"
    if whole.is_file() and not (is_index_first and index.is_file()):
        return tensor_shapes(whole)
    shards = read_json(index).get("weight_map")
    named = shards if isinstance(shards, dict) else {}
    shapes: dict[str, Sequence[int]] = {}
    for file in sorted({str(name) for name in named.values()}):
        shapes |= tensor_shapes(part / file)
    if not is_index_first:
        return shapes
    return {name: shape for name, shape in shapes.items() if name in named}
