"""Tensors that the parts of a model need and that their files do not have; no weights are read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.files.part_weights import part_shapes

Shapes = Mapping[str, Sequence[int]]

MAX_SHOWN = 3
"""Names of tensors that a message lists."""


def missing_tensors(model: Path) -> Iterator[str]:
    """Parts of a diffusion model without all tensors of their classes: one line each, with the
    remedy.

    Each part is made by its library from its settings, without memory for its weights, and its
    tensors are compared with those that the headers of its files name. This imports diffusers and
    transformers, which takes seconds. Single files, quantised parts and files that cannot be read
    are left out.

    Args:
        model: a folder in which `model_problems` finds nothing wrong, or a single file.
    """
    if model.is_file():
        return
    folder = ModelFolder.read(model)
    for part in folder.opened_parts():
        shapes = part_shapes(folder, part)
        # Quantised weights have other names.
        if shapes and "quantization_config" not in folder.config(part):
            yield from _missing_of_part(folder, part, shapes)


def lacks(name: str, kind: Any, missing: Collection[str], count: int) -> str:
    """What is wrong with a part that lacks tensors, with the remedy.

    Args:
        name: what the message calls the part.
        kind: its class.
        count: of the tensors that its class has.
    """
    more = ", ..." if len(missing) > MAX_SHOWN else ""
    return (
        f"{name} lacks {len(missing)} of the {count} tensors of its class {kind.__name__} "
        f"({', '.join(sorted(missing)[:MAX_SHOWN])}{more}); download it again, or give a model "
        "whose weights are of this class"
    )


def _missing_of_part(folder: ModelFolder, part: str, shapes: Shapes) -> Iterator[str]:
    library, name = folder.parts[part]
    kind = getattr(import_module(library), name)
    find = _missing_of_diffusers if library == "diffusers" else _missing_of_transformers
    try:
        missing, count = find(kind, folder.path / part, shapes)
    except Exception as error:  # both libraries raise many classes here
        yield (
            f"no {name} can be made of {part}/config.json ({error}); copy {part}/ again from the "
            "model"
        )
        return
    if missing:
        yield lacks(f"{part}/", kind, missing, count)


def _missing_of_diffusers(kind: Any, part: Path, shapes: Shapes) -> tuple[set[str], int]:
    """The tensors of a class of diffusers that are not among `shapes`, and how many it has."""
    from accelerate import init_empty_weights

    with init_empty_weights():
        made = kind.from_config(kind.load_config(part))
    names: dict[str, Any] = dict(shapes)
    # Attention had other names in old files, which diffusers still reads.
    made._fix_state_dict_keys_on_load(names)
    needed = {*made.state_dict()}
    return needed - {*names}, len(needed)


def _missing_of_transformers(kind: Any, part: Path, shapes: Shapes) -> tuple[set[str], int]:
    """As `_missing_of_diffusers`, of a class of transformers.

    transformers itself knows older names, tied tensors and those that a class may lack: it is given
    tensors without content.
    """
    import torch
    from transformers.utils import logging

    from muse.diffusion.quiet import quiet_loading

    tensors = {name: torch.empty(tuple(shape), device="meta") for name, shape in shapes.items()}
    verbosity = logging.get_verbosity()
    with quiet_loading("transformers"):
        # It would list what is missing as a warning, too.
        logging.set_verbosity_error()
        try:
            made, info = kind.from_pretrained(
                None,
                config=kind.config_class.from_pretrained(part),
                state_dict=tensors,
                device_map="meta",
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        finally:
            logging.set_verbosity(verbosity)
    return {*info["missing_keys"]}, len(made.state_dict())
