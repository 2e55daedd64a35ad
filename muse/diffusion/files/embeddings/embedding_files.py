"""What the file of a textual inversion holds: the vectors of one token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muse.diffusion.files.chosen_file import chosen_file
from muse.diffusion.files.hub import SINGLE_FILE, local_file, local_folder
from muse.diffusion.files.model_files import PICKLED
from muse.diffusion.files.single_files import tensor_shapes

USUAL_FILE = "learned_embeds.safetensors"
"""The name that diffusers gives the file of a textual inversion."""

NAMELESS = ("emb_params", "*")
"""Names of the tensor in files that do not name their token, as AUTOMATIC1111's program has it."""

ENCODER_NAMES = ("clip_l", "clip_g", "t5")
"""Names of the tensors in files for models with several text encoders, one for each."""

NETWORK = "model.diffusion_model."
"""How names of tensors begin in the single file of a whole model."""

REMEDY = "give the file of a textual inversion"


@dataclass(frozen=True)
class Embedding:
    """A textual inversion: one token, with one or several vectors for each text encoder.

    Attributes:
        file: the .safetensors file.
        token: the word of prompts that stands for the vectors.
        tensors: names of its tensors by those of `ENCODER_NAMES`; "" stands for the only one of a
            file that does not say which encoder it is for.
        shapes: likewise, how many vectors there are, and their width.
    """

    file: Path
    token: str
    tensors: Mapping[str, str]
    shapes: Mapping[str, tuple[int, int]]

    @classmethod
    def read(cls, path: Path, token: str | None) -> Embedding:
        """The textual inversion in a file or a folder, of which only the header is read.

        Args:
            token: None for the one that the file names.

        Raises:
            ValueError: it is none, or names no token, with the remedy.
        """
        file = chosen_file(path, USUAL_FILE, "textual inversion")
        whose = "it" if file == path else file.name
        sizes = tensor_shapes(file)
        if problem := _kind_problem(sizes):
            raise ValueError(f"{whose} {problem}")
        named = sizes.keys() <= {*ENCODER_NAMES}
        tensors = {name if named else "": name for name in sizes}
        token = token or _own_token(tensors)
        if token is None:
            word = re.sub(r"[^\w-]+", "", file.stem) or "<token>"
            raise ValueError(
                f"{whose} does not name its token (it has {next(iter(sizes))}); give the word of "
                f"prompts that stands for it after a colon, as in {file.name}:{word}"
            )
        # A single vector may come without the axis that counts them.
        shapes = {key: _counted(sizes[name]) for key, name in tensors.items()}
        return cls(file, token, tensors, shapes)

    def names(self, key: str) -> list[str]:
        """What the vectors for an encoder are called in its tokenizer, as in diffusers.

        Args:
            key: of `tensors`.
        """
        count = self.shapes[key][0]
        return [self.token, *(f"{self.token}_{number}" for number in range(1, count))]

    def vectors(self) -> dict[str, Any]:
        """Its tensors (n, width) by the keys of `tensors`, as they are in the file.

        Raises:
            ValueError: they are no finite numbers.
        """
        import torch
        from safetensors.torch import load_file

        read = load_file(self.file)
        for name, tensor in read.items():
            if not tensor.is_floating_point():
                raise ValueError(
                    f"{name} in {self.file.name} is of the type {tensor.dtype}, and vectors are "
                    f"floating-point numbers; {REMEDY}"
                )
            if not bool(torch.isfinite(tensor.float()).all()):
                raise ValueError(
                    f"the values of {name} in {self.file.name} are not all finite numbers; copy "
                    "it again, or leave it out"
                )
        return {key: read[name].reshape(self.shapes[key]) for key, name in self.tensors.items()}


def embedding_place(name: str, download: bool = True) -> Path:
    """The absolute path of a textual inversion: a file, a folder, or the local copy of a hub id.

    Args:
        download: fetch a hub id that is not on this machine.

    Raises:
        ValueError: there is none, or only a pickled one.
    """
    if not name:
        raise ValueError("its name is empty; give a file, folder or hub id")
    file = local_file(name)
    if file.suffix in PICKLED and file.is_file():
        raise ValueError(_pickled_problem(file.name))
    if file.suffix == SINGLE_FILE and not file.is_dir():
        if not file.is_file():
            raise ValueError("there is no such file")
        return file
    folder = local_folder(name, download=download)
    files = sorted(path for path in folder.glob("*") if path.is_file())
    pickled = next((path.name for path in files if path.suffix in PICKLED), None)
    if pickled is not None and not any(path.suffix == SINGLE_FILE for path in files):
        raise ValueError(_pickled_problem(pickled))
    return folder


def _pickled_problem(name: str) -> str:
    # AUTOMATIC1111's program saves the tensors among other things, diffusers by their tokens.
    tensors = (
        "{'emb_params' if k == '*' else k: v.detach().contiguous() for k, v in read.items() if "
        "torch.is_tensor(v)}"
    )
    return (
        f"{name} is pickled, which can run any code and is never loaded; convert it where you "
        "trust it, and give the new file: `import torch, safetensors.torch; read = "
        f"torch.load({name!r}, weights_only=False); read = read.get('string_to_param', read); "
        f"safetensors.torch.save_file({tensors}, {Path(name).stem + SINGLE_FILE!r})`"
    )


def _kind_problem(sizes: Mapping[str, list[int]]) -> str | None:
    """Why tensors of these shapes are no textual inversion; None if they are one."""
    if not sizes:
        return "has no tensors; copy it again"
    first = next(iter(sizes))
    if lora := next((name for name in sizes if "lora" in name.lower()), None):
        return f"is no textual inversion but a LoRA (it has {lora}); give it as `lora`"
    if network := next((name for name in sizes if name.startswith(NETWORK)), None):
        return (
            f"is no textual inversion but a whole model (it has {network}); give it as --model, "
            "or the file of a textual inversion"
        )
    if len(sizes) > 1 and not sizes.keys() <= {*ENCODER_NAMES}:
        return (
            f"is no textual inversion: it has {len(sizes)} tensors, such as {first}, and not one, "
            f"or one for each text encoder ({', '.join(ENCODER_NAMES)}); {REMEDY}"
        )
    for name, shape in sizes.items():
        if len(shape) not in (1, 2) or 0 in shape:
            return (
                f"is no textual inversion: {name} is of the shape {shape}, and not one of vectors; "
                f"{REMEDY}"
            )
    return None


def _own_token(tensors: Mapping[str, str]) -> str | None:
    """The token that a file names: as diffusers saves it, its tensor is called so."""
    name = tensors.get("")
    return None if name is None or name in NAMELESS or len(name.split()) != 1 else name.strip()


def _counted(shape: list[int]) -> tuple[int, int]:
    return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])
