"""What a LoRA's file holds, read without loading it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from muse.diffusion.files.model_files import FAMILIES, ModelFolder
from muse.diffusion.files.single_files import tensor_shapes

OTHER_KINDS = {"hada_": "LoHa", "lokr_": "LoKr", ".oft_": "OFT", ".on_input": "IA3"}
"""Parts of the names of tensors that mark other kinds of adapters, and what these are called."""

READ_ALL_THE_SAME = {"ZImagePipeline": ("LoKr",)}
"""By family: other kinds of adapters that diffusers can read."""

OF_NETWORK = re.compile(
    r"(?P<network>unet|transformer)\.(?P<layer>.+?)"
    r"\.(lora_[AB](\.\w+)?|lora\.(down|up)|lora_(down|up))\.weight"
)
"""Names, as diffusers and peft write them, of the two matrices that a layer of a network gets."""


def network_layers(model: Path) -> Collection[str]:
    """The names of the layers with weights of a diffusion model's network; none for a single file,
    whose names differ from those of diffusers.

    Raises:
        ValueError: the model, or a file of its weights, cannot be read.
    """
    if model.is_file():
        return ()
    network = FAMILIES[ModelFolder.read(model).family]
    return {
        name.rpartition(".")[0]
        for file in (model / network).glob("*.safetensors")
        if file.is_file()
        for name in tensor_shapes(file)
    }


def lora_problems(path: Path, family: str, layers: Collection[str] = ()) -> Iterator[str]:
    """Why the LoRA in a file or a folder cannot be fused: one line a file, with the remedy.

    Args:
        family: the class of the model's pipeline.
        layers: names of those of its network, if they are known.
    """
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    if not files:
        what = "a whole model" if (path / "model_index.json").exists() else "no LoRA"
        yield (
            f"{path} is {what}: no .safetensors file lies in that folder itself; give the "
            "folder or the file of a LoRA, such as pytorch_lora_weights.safetensors"
        )
    for file in files:
        try:
            shapes = tensor_shapes(file)
        except ValueError as error:
            yield str(error)
            continue
        if problem := _problem(shapes, family, layers):
            yield f"{file} {problem}"


def _problem(shapes: Mapping[str, list[int]], family: str, layers: Collection[str]) -> str | None:
    """Why tensors of these shapes are no LoRA for a model; None if they may be one."""
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
    if layers and not _fits(shapes, family, layers):
        return (
            f"fits no layer of this {family} (it has {next(iter(shapes))}): it was trained for "
            "another model; give one that was trained for a model of this family"
        )
    return None


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


def _fits(names: Collection[str], family: str, layers: Collection[str]) -> bool:
    """Whether any of the layers that a LoRA changes may be one of the network's.

    Names in the layouts of other trainers are for diffusers to judge.
    """
    for name in names:
        match = OF_NETWORK.fullmatch(name)
        if match is None:
            return True
        if match["network"] == FAMILIES[family] and match["layer"] in layers:
            return True
    return False
