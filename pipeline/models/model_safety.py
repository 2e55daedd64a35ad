"""Models are not trusted: no pickled weights, no code of their own, no damaged files.

Files are examined, never loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from muse.classifiers.spec import SPEC_FILE, read_spec
from muse.diffusion.files.hub import configs_beside
from muse.diffusion.files.model_files import (
    PICKLED,
    ModelFolder,
    dangling_problem,
    is_lfs_pointer,
    is_loaded,
    lfs_problem,
)
from muse.guidance.fitted_tokens_file import FITTED_TOKENS
from pipeline.storage.files import files_below

LIBRARIES = ("diffusers", "transformers", "stable_diffusion", None)
"""Libraries whose classes a model_index.json may name; None where a part is left out."""

READ = (".safetensors", ".json", ".txt", ".model")
"""Ends of the names of files that a model is read from."""

MAX_JSON_BYTES = 100_000_000
"""Of a JSON file. The largest in use, vocabularies, have about 20 MB."""


def problems_of(model: Path, in_parts: bool = False) -> Iterator[str]:
    """Why a model must not be loaded: one line a problem, with the remedy. None if it is safe.

    Args:
        model: a folder, or a single `.safetensors` file.
        in_parts: it is a diffusion model, of whose folder the index and the parts are read alone.
    """
    if model.is_file() and is_lfs_pointer(model):
        yield lfs_problem(model.name)
    elif model.is_file():
        yield from _weights_problems(model, model.name)
        if configs := configs_beside(model):
            yield from _file_problems(configs, read_files(configs, in_parts))
    else:
        yield from _folder_problems(model, read_files(model, in_parts))


def classifier_problems(folder: Path) -> Iterator[str]:
    """As `problems_of`, of a classifier, which may have its models in other folders.

    Raises:
        ValueError: it is no classifier folder, or an invalid one.
    """
    if not (folder / SPEC_FILE).is_file():
        yield from problems_of(folder)
        return
    yield from _file_problems(folder, read_files(folder, in_parts=False))
    for place in read_spec(folder).folders():
        # An ensemble, or what names the folder of its model, has no weights itself.
        if (place / "config.json").is_file() and place != folder.resolve():
            yield from (f"{place}: {problem}" for problem in problems_of(place))


def read_files(folder: Path, in_parts: bool) -> list[Path]:
    """The files that a model is read from.

    Of a diffusion model those in the folders of its parts. What is beside them, such as the same
    weights for OpenVINO or ONNX, parts that are never loaded, and variants of weights that are not
    loaded because another is preferred, are nobody's concern. `in_parts`, neither are files beside
    the index, such as all weights in one.
    """
    files = files_below(folder)
    try:
        model = ModelFolder.read(folder)
    except ValueError:
        return files
    index = folder / "model_index.json"
    # Without one, as in a VAE of its own, the folder itself holds what is read.
    in_parts = in_parts and index in files
    part_of = {folder / part: part for part in model.parts}
    return [
        path
        for path in files
        if (path in (index, folder / FITTED_TOKENS) if in_parts else path.parent == folder)
        or (path.parent in part_of and not model.is_unread(part_of[path.parent], path.name))
    ]


def _folder_problems(folder: Path, files: Sequence[Path]) -> Iterator[str]:
    if any(path.suffix == ".safetensors" for path in files):
        yield from _file_problems(folder, files)
        return
    pickled = next((path for path in files if path.suffix in PICKLED), None)
    if pickled is None:
        no_weights = "it has no .safetensors weights; give a folder as `save_pretrained` writes it"
        yield dangling_problem(folder) or no_weights
    else:
        yield _is_pickled(pickled.relative_to(folder))


def _file_problems(folder: Path, files: Sequence[Path]) -> Iterator[str]:
    """Problems of the parts of a model, then of each file by itself."""
    # A part, such as unet/, whose only weights are pickled. Beside safetensors they are never read.
    for part in sorted({path.parent for path in files if path.name == "config.json"}):
        weights = [path for path in files if path.parent == part]
        pickled = next((path for path in weights if path.suffix in PICKLED), None)
        has_safetensors = any(path.suffix == ".safetensors" for path in weights)
        if pickled is not None and not has_safetensors:
            yield _is_pickled(pickled.relative_to(folder))
    for path in files:
        name = str(path.relative_to(folder))
        if path.suffix in READ and is_lfs_pointer(path):
            yield lfs_problem(name)
        elif path.suffix == ".safetensors":
            yield from _weights_problems(path, name)
        elif path.suffix == ".json":
            yield from _json_problems(path, name)


def _is_pickled(name: Path) -> str:
    return (
        f"{name} is pickled, which can run any code and is never loaded; convert it: "
        "load it where you trust it, and `save_pretrained(folder, safe_serialization=True)`"
    )


def _weights_problems(path: Path, name: str) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    try:
        # Opening checks the header against the size of the file; the tensors are not read.
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        yield f"{name} is damaged ({error}); copy it again"


def _json_problems(path: Path, name: str) -> Iterator[str]:
    if path.stat().st_size > MAX_JSON_BYTES:
        yield f"{name} has more than {MAX_JSON_BYTES:,} bytes; no model needs that"
        return
    try:
        content: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        yield f"{name} is not JSON; copy it again"
        return
    if not isinstance(content, dict):
        if path.name.endswith("config.json") or "index." in path.name:
            yield f"{name} is not a table of settings; copy it again"
        return
    yield from _code_problems(content, path, name)
    if ".safetensors.index." in path.name:
        yield from _shard_index_problems(content, path, name)


def _code_problems(content: Mapping[str, Any], path: Path, name: str) -> Iterator[str]:
    """Settings that name Python code to run."""
    if "auto_map" in content or "custom_pipelines" in content:
        yield (
            f"{name} needs code of its own, which is never run; "
            "give a model of a class that transformers has"
        )
    if path.name != "model_index.json":
        return
    family = str(content.get("_class_name") or "")
    for part, class_path in content.items():
        # The class of a pipeline may be in a module, too. Other lists are never read.
        is_code = isinstance(class_path, list) and (
            len(class_path) != 2 or class_path[0] not in LIBRARIES
        )
        if is_code and (part == "_class_name" or is_loaded(family, part)):
            yield (
                f"{name} needs code of its own for {part!r}, which is never run; "
                "give a standard one"
            )


def _shard_index_problems(content: Mapping[str, Any], path: Path, name: str) -> Iterator[str]:
    """An index of sharded weights whose files are elsewhere, or missing."""
    shards = content.get("weight_map")
    if not isinstance(shards, dict) or not all(_is_beside(path, s) for s in shards.values()):
        # It is read first, even if all weights are in one file.
        single = path.name.replace(".safetensors.index", "").removesuffix(".json") + ".safetensors"
        has_single = (path.parent / single).is_file()
        remedy = f", or remove this index if {single} beside it is complete" if has_single else ""
        yield f"{name} names weights that are not in its folder; copy the folder again{remedy}"


def _is_beside(index: Path, shard: Any) -> bool:
    """Whether `shard`, as the file `index` names it, is a file of the same folder."""
    if not isinstance(shard, str) or Path(shard).name != shard:
        return False
    return (index.parent / shard).is_file()
