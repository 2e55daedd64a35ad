"""What a LoRA's file holds, read without loading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from muse.diffusion.files.chosen_file import chosen_file, unread_beside
from muse.diffusion.files.loras.lora_fit import fit_of, unpaired
from muse.diffusion.files.loras.lora_target import LoraTarget
from muse.diffusion.files.single_files import tensor_shapes

USUAL_FILE = "pytorch_lora_weights.safetensors"
"""The name that diffusers gives the file of a LoRA."""

OTHER_KINDS = {"hada_": "LoHa", "lokr_": "LoKr", ".oft_": "OFT", ".on_input": "IA3"}
"""Parts of the names of tensors that mark other kinds of adapters, and what these are called."""

READ_ALL_THE_SAME = {"ZImagePipeline": ("LoKr",)}
"""By family: other kinds of adapters that diffusers can read."""

MAGNITUDES = "dora_scale"
"""Part of the names of tensors of a DoRA that diffusers does not read."""


def lora_problems(path: Path, target: LoraTarget) -> Iterator[str]:
    """Why the LoRA in a file or a folder cannot be fused, with the remedy: at most one line."""
    try:
        file = lora_file(path)
        shapes = tensor_shapes(file)
    except ValueError as error:
        yield str(error)
        return
    if problem := _problem(file, shapes, target):
        yield f"{'it' if file == path else file.name} {problem}"


def lora_warnings(path: Path, target: LoraTarget) -> Iterator[str]:
    """What of the LoRA in a file or a folder is left out when it is fused, as diffusers does.

    Args:
        path: in which `lora_problems` finds nothing wrong.
    """
    file = lora_file(path)
    if unread := unread_beside(path, file):
        yield f"the LoRA {path}: {unread}"
    shapes = tensor_shapes(file)
    if not _is_lora(shapes):
        return
    if warning := fit_of(file, shapes, target).warning():
        yield f"the LoRA {file}: {warning}"
    if count := sum(MAGNITUDES in name for name in shapes):
        yield (
            f"the LoRA {file}: it is a DoRA, and the magnitudes of its {count} layers are left "
            "out, since diffusers cannot read them: images differ from those of its trainer"
        )


def _is_lora(shapes: Mapping[str, list[int]]) -> bool:
    """Whether tensors are of a LoRA, and not of another kind of adapter that diffusers reads."""
    return not any(part in name for part in OTHER_KINDS for name in shapes)


def lora_file(path: Path) -> Path:
    """The file that a LoRA is read from; see `chosen_file`.

    Raises:
        ValueError: there is none, or it is not known which of several.
    """
    return chosen_file(path, USUAL_FILE, "LoRA")


def _problem(file: Path, shapes: Mapping[str, list[int]], target: LoraTarget) -> str | None:
    """Why tensors of these shapes are no LoRA for a model; None if they may be one."""
    family = target.family
    for part, kind in OTHER_KINDS.items():
        found = next((name for name in shapes if part in name), None)
        if found is None:
            continue
        if kind in READ_ALL_THE_SAME.get(family, ()):
            return None
        return (
            f"is no LoRA but a {kind}, as LyCORIS makes it (it has {found}), and cannot be read "
            f"for a {family}; merge it into the model's weights with the tool that it came from, "
            "and give the merged model"
        )
    if not any("lora" in name.lower() for name in shapes):
        return _no_lora(shapes)
    if alone := unpaired(shapes):
        return (
            f"is incomplete: {len(alone)} matrices lack the other one of their layer "
            f"({alone[0]}); copy it again"
        )
    try:
        return fit_of(file, shapes, target).problem(family)
    except ValueError as error:
        return str(error)


def _no_lora(shapes: Mapping[str, list[int]]) -> str:
    """What a file is in which no tensor is named as those of a LoRA."""
    if not shapes:
        return "has no tensors; copy it again"
    first = next(iter(shapes))
    # One matrix of word embeddings for each text encoder.
    if all("." not in name and len(shape) <= 2 for name, shape in shapes.items()):
        return (
            f"is no LoRA but a textual inversion (it has {first}); give it as `embedding`, with "
            "its token after a colon: FILE:<token>"
        )
    return (
        f"is no LoRA: none of its tensors is named as those of one (it has {first}); give the file "
        "of a LoRA, such as pytorch_lora_weights.safetensors"
    )
