"""Image-emotion classifiers: pixels in, logits over a taxonomy out, differentiable, with their own preprocessing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.emotions import MIKELS, Taxonomy


class EmotionClassifier(Protocol):
    """What guides, judges or examines."""

    taxonomy: Taxonomy

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits (b, len(taxonomy)), float32, in the taxonomy's order.

        Args:
            pixels: float (b, 3, h, w) in [0, 1], RGB. Values slightly outside are let through, so that
                gradients live where a decoder overshoots.
        """
        ...


def resize(pixels: Tensor, side: int) -> Tensor:
    """Antialiased bilinear resize of (b, 3, h, w) to `side` x `side`."""
    if pixels.shape[-2:] == (side, side):
        return pixels
    return F.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True)


class FolderClassifier(nn.Module):
    """A classifier in the `AutoModelForImageClassification` layout, weights in safetensors.

    Labels are matched to the taxonomy by name through `id2label`.
    """

    def __init__(self, model: nn.Module, side: int, mean: list[float], std: list[float], taxonomy: Taxonomy):
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.side, self.taxonomy = side, taxonomy
        names = [str(model.config.id2label[i]).strip().lower() for i in range(len(model.config.id2label))]
        if set(names) != set(taxonomy.labels):
            raise ValueError(
                f"the classifier's labels ({', '.join(names)}) are not those of {taxonomy.name} "
                f"({', '.join(taxonomy.labels)}); rename id2label in its config.json"
            )
        self.register_buffer("order", torch.tensor([names.index(label) for label in taxonomy.labels]))
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    @classmethod
    def from_pretrained(cls, path: str | Path, taxonomy: Taxonomy = MIKELS) -> FolderClassifier:
        """Load from a local folder.

        Raises:
            ValueError: no such folder, no safetensors in it, or labels that are not the taxonomy's.
        """
        model, side, mean, std = load_image_model(path)
        return cls(model, side, mean, std, taxonomy)

    def logits(self, pixels: Tensor) -> Tensor:
        seen = (resize(pixels.float(), self.side) - self.mean) / self.std
        return self.model(pixel_values=seen).logits.float()[:, self.order]


def load_image_model(path: str | Path) -> tuple[nn.Module, int, list[float], list[float]]:
    """An `AutoModelForImageClassification` folder: the model, its input side in pixels, its mean and std."""
    from transformers import AutoModelForImageClassification

    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is not a classifier folder: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise ValueError(f"{folder} has no .safetensors weights; convert them: pickled weights are never loaded")
    model = AutoModelForImageClassification.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    return model.float(), _side(settings), settings["image_mean"], settings["image_std"]


def _side(settings: Mapping[str, object]) -> int:
    """The input side that a preprocessor_config.json asks for, in pixels."""
    size = settings.get("crop_size") or settings.get("size")
    if isinstance(size, Mapping):
        return int(size.get("height") or size["shortest_edge"])
    return int(str(size))
