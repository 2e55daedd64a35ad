"""What the layers of a model look like to a LoRA, by the headers of its files or once loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from muse.diffusion.files.model_files import FAMILIES, ModelFolder
from muse.diffusion.files.part_weights import Shapes, part_shapes
from muse.diffusion.files.single_files import family_of_file

PARTS = ("unet", "transformer", "text_encoder", "text_encoder_2")
"""Parts of the known families that diffusers can change by a LoRA."""

USUAL_BLOCKS = 2
"""Layers in a block of a U-Net whose settings do not say."""


@dataclass(frozen=True)
class LoraTarget:
    """A diffusion model that a LoRA is to be fused into.

    Attributes:
        family: the class of its pipeline.
        layers: by part, the shapes of the weights of its layers by their names. A part whose layers
            are not known is missing: in single files they have other names, and where weights are
            quantised other shapes.
        layers_per_block: of its U-Net.
    """

    family: str
    layers: Mapping[str, Shapes] = field(default_factory=dict)
    layers_per_block: int = USUAL_BLOCKS

    @classmethod
    def of(cls, model: Path) -> LoraTarget:
        """A model in a folder or a single file, of which only headers are read.

        Raises:
            ValueError: it cannot be read.
        """
        if model.is_file():
            return cls(family_of_file(model))
        folder = ModelFolder.read(model)
        layers = {}
        for part in PARTS:
            quantised = folder.config(part).get("quantization_config") is not None
            if part in folder.parts and not quantised and (shapes := part_shapes(folder, part)):
                layers[part] = _layers_of(shapes)
        blocks = folder.config(FAMILIES[folder.family]).get("layers_per_block", USUAL_BLOCKS)
        return cls(folder.family, layers, blocks)

    @classmethod
    def of_pipeline(cls, pipe: Any) -> LoraTarget:
        """A pipeline of diffusers."""
        layers = {}
        for part in PARTS:
            model = getattr(pipe, part, None)
            if model is None or getattr(model, "hf_quantizer", None) is not None:
                continue
            shapes = {name: [*weight.shape] for name, weight in model.named_parameters()}
            layers[part] = _layers_of(shapes)
        unet = getattr(pipe, "unet", None)
        blocks = USUAL_BLOCKS if unet is None else unet.config.layers_per_block
        return cls(type(pipe).__name__, layers, blocks)


def _layers_of(weights: Shapes) -> Shapes:
    """The shapes of the weights of layers by the layers' names, from those of tensors."""
    # transformers has left out a level of CLIP's names since its release 5.
    return {
        name.removesuffix(".weight").removeprefix("text_model."): shape
        for name, shape in weights.items()
        if name.endswith(".weight")
    }
