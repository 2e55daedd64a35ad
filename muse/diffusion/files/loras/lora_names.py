"""The names that diffusers gives to the tensors of a LoRA, whichever trainer has written it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from muse.diffusion.files.part_weights import Shapes

WITH_OTHERS = ("FluxPipeline",)
"""Families for which diffusers reads files that hold other tensors beside those of a LoRA."""


def named_by_diffusers(
    file: Path, shapes: Shapes, family: str, layers_per_block: int
) -> tuple[dict[str, Shapes], list[str]]:
    """The shapes of a LoRA's tensors by the parts that they change, under the names that peft is
    given, and the names of those that change no part.

    This imports diffusers, which takes seconds. The tensors' values are read only where diffusers
    cannot name them without.

    Args:
        shapes: of the tensors in its file.
        family: the class of the model's pipeline.
        layers_per_block: of its U-Net.

    Raises:
        ValueError: diffusers cannot read it, or it holds something else as well.
    """
    from muse.diffusion.quiet import quiet_loading

    with quiet_loading("transformers"):
        import diffusers

        kind = getattr(diffusers, family)
    with _silent():
        try:
            state = _state(file, shapes, kind, layers_per_block)
            parts, others = _by_part(state, kind)
            named = {part: _as_peft(part, tensors) for part, tensors in parts.items()}
        except Exception as error:  # the converters of diffusers raise many classes
            text = f"{type(error).__name__}: {error}"
            raise ValueError(f"cannot be read by diffusers as a LoRA ({text})") from error
    foreign = [name for name in state if "lora" not in name]
    if foreign and family not in WITH_OTHERS:
        raise ValueError(
            f"holds {len(foreign)} tensors beside those of a LoRA ({foreign[0]}), and diffusers "
            "reads no such file; save the LoRA alone with the tool that it came from"
        )
    return {part: _shapes_of(tensors) for part, tensors in named.items()}, others


def _state(file: Path, shapes: Shapes, kind: Any, layers_per_block: int) -> Mapping[str, Any]:
    """The tensors of a LoRA under the names of diffusers; those of any file have the value 1."""
    import torch
    from safetensors.torch import load_file

    options: dict[str, Any] = {}
    if kind.__name__ == "StableDiffusionXLPipeline":
        options["unet_config"] = SimpleNamespace(layers_per_block=layers_per_block)
    # One number that is repeated without memory of its own.
    tensors = {name: torch.ones(()).expand(tuple(shape)) for name, shape in shapes.items()}
    try:
        found = kind.lora_state_dict(tensors, **options)
    except Exception:
        # Some converters may look at values, or write to the tensors.
        found = kind.lora_state_dict(load_file(file), **options)
    return found[0] if isinstance(found, tuple) else found


def _by_part(state: Mapping[str, Any], kind: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The tensors of each part under their names in that part, and the names of all others."""
    parts: dict[str, dict[str, Any]] = {}
    others = []
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        if part in kind._lora_loadable_modules:
            parts.setdefault(part, {})[rest] = tensor
        else:
            others.append(name)
    return parts, others


def _as_peft(part: str, tensors: dict[str, Any]) -> dict[str, Any]:
    """Tensors under the names that diffusers gives to peft when it loads a part."""
    from diffusers.utils import (
        convert_state_dict_to_diffusers,
        convert_state_dict_to_peft,
        convert_unet_state_dict_to_peft,
    )

    if part.startswith("text_encoder"):
        return dict(convert_state_dict_to_peft(convert_state_dict_to_diffusers(tensors)))
    if "lora_A" in next(iter(tensors)):
        return tensors
    return dict(convert_unet_state_dict_to_peft(tensors))


def _shapes_of(tensors: Mapping[str, Any]) -> Shapes:
    return {name: [*tensor.shape] for name, tensor in tensors.items()}


@contextmanager
def _silent() -> Iterator[None]:
    """No warnings of diffusers meanwhile."""
    from diffusers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
