"""Models are not trusted: no pickled weights, no code of their own, no damaged files. Looked at, not loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from muse.diffusion.hub import configs_beside

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
LIBRARIES = ("diffusers", "transformers", "stable_diffusion", None)
"""Whose classes a model_index.json may name; None where a part is left out."""

MOST_BYTES = 100_000_000
"""Of a JSON file. The largest that are in use, vocabularies, have about 20 MB."""


def problems_of(model: Path) -> Iterator[str]:
    """Why the model, a folder or a single file, is not loaded, a line each, with the remedy; nothing if it may be."""
    if model.is_file():
        yield from _weights(model, model.name)
        if configs := configs_beside(model):
            yield from _of_files(configs)
    else:
        yield from _of_folder(model)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _of_folder(folder: Path) -> Iterator[str]:
    files = _files(folder)
    if not any(path.suffix == ".safetensors" for path in files):
        pickled = next((path for path in files if path.suffix in PICKLED), None)
        if pickled is None:
            yield "it has no .safetensors weights; give a folder as `save_pretrained` writes it"
        else:
            yield _pickled(pickled.relative_to(folder))
        return
    yield from _of_files(folder)


def _of_files(folder: Path) -> Iterator[str]:
    files = _files(folder)
    for part in sorted({path.parent for path in files if path.name == "config.json"}):
        here = [path for path in files if path.parent == part]
        pickled = next((path for path in here if path.suffix in PICKLED), None)
        if pickled is not None and not any(path.suffix == ".safetensors" for path in here):
            yield _pickled(pickled.relative_to(folder))
    for path in files:
        name = path.relative_to(folder)
        if path.suffix == ".safetensors":
            yield from _weights(path, str(name))
        elif path.suffix == ".json":
            yield from _json(path, str(name))


def _pickled(name: Path) -> str:
    return (
        f"{name} is pickled, which can run any code and is never loaded; convert it: "
        "load it where you trust it, and `save_pretrained(folder, safe_serialization=True)`"
    )


def _weights(path: Path, name: str) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    try:
        # Opened, not read: the header is checked against the size of the file.
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        yield f"{name} is damaged ({error}); copy it again"


def _json(path: Path, name: str) -> Iterator[str]:
    if path.stat().st_size > MOST_BYTES:
        yield f"{name} has more than {MOST_BYTES:,} bytes; no model needs that"
        return
    try:
        told: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        yield f"{name} is not JSON; copy it again"
        return
    if not isinstance(told, dict):
        if path.name.endswith(("config.json", "index.json")):
            yield f"{name} is not a table of settings; copy it again"
        return
    if "auto_map" in told or "custom_pipelines" in told:
        yield f"{name} asks for code of its own, which is never run; give a model of a class that transformers has"
    if path.name == "model_index.json":
        for part, where in told.items():
            if isinstance(where, list) and (len(where) != 2 or where[0] not in LIBRARIES):
                yield f"{name} asks for code of its own for {part!r}, which is never run; give a standard one"
    if path.name.endswith(".safetensors.index.json"):
        shards = told.get("weight_map")
        plain = isinstance(shards, dict) and all(
            isinstance(shard, str) and Path(shard).name == shard and (path.parent / shard).is_file()
            for shard in shards.values()
        )
        if not plain:
            yield f"{name} names weights that do not lie beside it; copy the folder again"
