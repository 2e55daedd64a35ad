"""Which layers of a model a LoRA changes, and whether it fits them, by the headers of both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from muse.diffusion.files.loras.lora_names import WITH_OTHERS, named_by_diffusers
from muse.diffusion.files.loras.lora_target import PARTS, LoraTarget
from muse.diffusion.files.model_files import FAMILIES
from muse.diffusion.files.part_weights import Shapes

HALVES = {"A": "B", "B": "A", "down": "up", "up": "down"}
"""How the two matrices of a layer are called, each with the other."""

HALF = re.compile(r"(?P<layer>.*lora\w*?[._])(?P<half>A|B|down|up)(?P<end>(\.\w+)?\.weight)")
"""The names of these matrices in the layouts of all trainers."""

OF_PEFT = re.compile(r"(?P<layer>.+)\.lora_(?P<half>[AB])\.weight")
"""Their names as diffusers gives them to peft."""

NORM = re.compile(r"\.norm_(added_)?[qk]\.weight")
"""The names of norms that diffusers reads from a LoRA's file, as such files for FLUX may hold."""

MAX_SHOWN = 3
"""Layers that a warning lists."""


@dataclass
class LoraFit:
    """How the layers of a LoRA fit those of a model.

    Attributes:
        fitting: how many the model has, of the same widths.
        absent: layers that the model lacks, or of parts that diffusers does not change by a LoRA.
        other_widths: for each layer of other widths, what differs.
    """

    fitting: int = 0
    absent: list[str] = field(default_factory=list)
    other_widths: list[str] = field(default_factory=list)

    def problem(self, family: str) -> str | None:
        """Why the LoRA cannot be fused into a model of this family; None if it can."""
        if self.other_widths:
            return (
                f"has other widths than this {family} in {len(self.other_widths)} layers "
                f"({self.other_widths[0]}): it was trained for another model; give one that was "
                "trained for a model of this family and size"
            )
        if self.fitting:
            return None
        if not self.absent:
            return "changes no layer: it has no pairs of matrices; copy it again"
        # As in a file that peft itself has saved.
        if _is_nameless(self.absent[0]):
            return (
                f"names no part of this {family} (it has {self.absent[0]}): diffusers reads names "
                f"that begin with {FAMILIES[family]}. or text_encoder.; save it with "
                f"{family}.save_lora_weights"
            )
        return (
            f"fits no layer of this {family} (it has {self.absent[0]}): it was trained for "
            "another model; give one that was trained for a model of this family"
        )

    def warning(self) -> str | None:
        """What of the LoRA is left out; None if nothing.

        It is fused without that, as in diffusers.
        """
        if not self.absent:
            return None
        count, more = len(self.absent) + self.fitting, len(self.absent) > MAX_SHOWN
        return (
            f"{len(self.absent)} of its {count} layers are not in this model and are left out, as "
            f"in diffusers ({', '.join(self.absent[:MAX_SHOWN])}{', ...' if more else ''}); it may "
            "have been trained for another model"
        )


def _is_nameless(layer: str) -> bool:
    """Whether the name of a layer is a path in a part of a model and does not say in which."""
    part, dot, _ = layer.partition(".")
    return bool(dot) and part not in PARTS and not part.startswith("text_encoder")


def unpaired(shapes: Shapes) -> list[str]:
    """Matrices of a LoRA's layers without the other that belongs to each."""
    alone = []
    for name in shapes:
        match = HALF.fullmatch(name)
        if match and f"{match['layer']}{HALVES[match['half']]}{match['end']}" not in shapes:
            alone.append(name)
    return alone


def fit_of(file: Path, shapes: Shapes, target: LoraTarget) -> LoraFit:
    """How a LoRA fits a model, after diffusers has given its layers their names.

    This imports diffusers, which takes seconds.

    Args:
        shapes: of the tensors in its file.

    Raises:
        ValueError: diffusers cannot read it, with what it says.
    """
    by_part, others = named_by_diffusers(file, shapes, target.family, target.layers_per_block)
    fit = LoraFit()
    for part, tensors in by_part.items():
        layers = target.layers.get(part)
        for layer, halves in _pairs(tensors).items():
            _add(fit, part, layer, halves, layers)
        whole = {} if layers is None else _norms(tensors, target.family, layers)
        fit.fitting += len(whole)
        others += [f"{part}.{name}" for name in tensors if _is_unread(name) and name not in whole]
    fit.absent += sorted({name.partition(".lora")[0] for name in others})
    return fit


def _norms(tensors: Shapes, family: str, layers: Shapes) -> Shapes:
    """Tensors that diffusers puts in the place of a model's own: norms of FLUX's attention."""
    if family not in WITH_OTHERS:
        return {}
    return {
        name: shape
        for name, shape in tensors.items()
        if NORM.search(name) and list(layers.get(name.removesuffix(".weight"), ())) == list(shape)
    }


def _is_unread(name: str) -> bool:
    """Whether peft does not know a tensor by its name, as one with the name of an adapter."""
    return "lora" not in name or (bool(HALF.fullmatch(name)) and not OF_PEFT.fullmatch(name))


def _add(fit: LoraFit, part: str, layer: str, halves: Shapes, layers: Shapes | None) -> None:
    """Count a layer of a LoRA as one that fits, is absent or has other widths.

    Args:
        halves: the shapes of its matrices A and B.
        layers: of this part of the model; None if they are not known.
    """
    if layers is None:
        fit.fitting += 1
    elif layer not in layers:
        fit.absent.append(f"{part}.{layer}")
    elif problem := _width_problem(halves, layers[layer]):
        fit.other_widths.append(f"{part}.{layer}: {problem}")
    else:
        fit.fitting += 1


def _width_problem(halves: Shapes, weight: Sequence[int]) -> str | None:
    """What differs between the matrices (rank, in, ...) and (out, rank, ...) of a layer and its
    weight (out, in, ...), where ... are the sides of a kernel."""
    rank = halves["A"][0]
    ones = [1] * (len(weight) - 2)
    needed = {"A": [rank, *weight[1:]], "B": [weight[0], rank, *ones]}
    for half, shape in needed.items():
        if list(halves[half]) != shape:
            return f"its matrix {half} is {[*halves[half]]}, not {shape}"
    return None


def _pairs(tensors: Shapes) -> dict[str, dict[str, Sequence[int]]]:
    """The shapes of the two matrices of each layer."""
    pairs: dict[str, dict[str, Sequence[int]]] = {}
    for name, shape in tensors.items():
        if match := OF_PEFT.fullmatch(name):
            layer = match["layer"].removeprefix("text_model.")
            pairs.setdefault(layer, {})[match["half"]] = shape
    return {layer: halves for layer, halves in pairs.items() if len(halves) == len("AB")}
