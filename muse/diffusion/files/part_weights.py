"""The files of a part's weights, and what tensors they hold by their headers; nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from muse.diffusion.files.model_files import STEMS, ModelFolder, read_json
from muse.diffusion.files.single_files import tensor_shapes


def part_shapes(folder: ModelFolder, part: str) -> Mapping[str, Sequence[int]]:
    """The shapes of the tensors that are loaded for a part, by their names; empty where they cannot
    be read.
    """
    try:
        return _shapes(folder.path / part, folder.variant(part), folder.parts[part][0])
    except ValueError:
        return {}


def _shapes(part: Path, variant: str | None, library: str) -> Mapping[str, Sequence[int]]:
    """What `part_shapes` gives, of one variant of the weights in a part's folder.

    Raises:
        ValueError: a file cannot be read.
    """
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
