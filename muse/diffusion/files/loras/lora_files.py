"""What a LoRA's file holds, read without loading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from muse.diffusion.files.loras.lora_fit import fit_of, unpaired
from muse.diffusion.files.loras.lora_target import LoraTarget
from muse.diffusion.files.model_files import dangling_problem
from muse.diffusion.files.single_files import tensor_shapes

USUAL_FILE = "pytorch_lora_weights.safetensors"
"""The name that diffusers gives the file of a LoRA."""

OTHER_KINDS = {"hada_": "LoHa", "lokr_": "LoKr", ".oft_": "OFT", ".on_input": "IA3"}
"""Parts of the names of tensors that mark other kinds of adapters, and what these are called."""

READ_ALL_THE_SAME = {"ZImagePipeline": ("LoKr",)}
"""By family: other kinds of adapters that diffusers can read."""

MAX_SHOWN = 10
"""Files of a folder that a message lists."""

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
    if others := [other.name for other in _files(path) if other != file]:
        yield f"the LoRA {path}: {file.name} is read; not read beside it: {_listed(others)}"
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
    """The file that a LoRA is read from: `path` itself, or that of the folder `path`.

    In a folder that is the one that diffusers names so by default, else the only one.

    Raises:
        ValueError: there is none, or it is not known which of several.
    """
    files = _files(path)
    if problem := dangling_problem(path):
        raise ValueError(problem)
    if not files:
        what = "a whole model" if (path / "model_index.json").exists() else "no LoRA"
        raise ValueError(
            f"it is {what}: no .safetensors file lies in that folder itself; give the "
            f"folder or the file of a LoRA, such as {USUAL_FILE}"
        )
    if path / USUAL_FILE in files:
        return path / USUAL_FILE
    if len(files) > 1:
        raise ValueError(
            f"it holds {len(files)} .safetensors files, none of which is called {USUAL_FILE}: "
            f"{_listed([file.name for file in files])}; give the one to fuse, such as {files[0]}"
        )
    return files[0]


def _files(path: Path) -> list[Path]:
    """The files of weights in a folder, or the single one that `path` is."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.glob("*.safetensors") if file.is_file())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


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
            f"is no LoRA but a textual inversion (it has {first}), and these are not read; leave "
            "it out"
        )
    return (
        f"is no LoRA: none of its tensors is named as those of one (it has {first}); give the file "
        "of a LoRA, such as pytorch_lora_weights.safetensors"
    )
