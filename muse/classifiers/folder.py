"""Classifiers in the `AutoModelForImageClassification` layout, weights in safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from muse.classifiers.base import ImageClassifier
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import Source, read_source, safe_config
from muse.emotions import MIKELS, Taxonomy


class FolderClassifier(ImageClassifier):
    """Any image classifier that transformers knows."""

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        taxonomy: Taxonomy = MIKELS,
        label_map: Mapping[str, str] | None = None,
    ) -> FolderClassifier:
        """Load from a local folder.

        Raises:
            ValueError: no such folder, no safetensors in it, or labels that are not the taxonomy's.
        """
        return cls.of(read_source(Path(path)), taxonomy, label_map)

    @classmethod
    def of(
        cls, source: Source, taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None
    ) -> FolderClassifier:
        source.check(taxonomy, label_map)
        model, preprocessing = open_image_model(source.weights)
        return cls(
            model,
            preprocessing,
            source.labels,
            taxonomy,
            label_map,
            source.temperature,
            source.multi_label,
        )

    def scores(self, seen: Tensor) -> Tensor:
        return self.model(pixel_values=seen).logits


def open_model(kind: Any, folder: Path) -> nn.Module:
    """A frozen float32 model from a folder of safetensors, every weight of it trained.

    Args:
        kind: a class of transformers with `from_pretrained`.

    Raises:
        ValueError: not a safe folder, or one that lacks weights of the model, which would be random.
    """
    safe_config(folder)
    try:
        model, told = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise ValueError(f"{folder} cannot be loaded: {error}") from None
    if missing := sorted(told["missing_keys"]):
        raise ValueError(
            f"{folder} has no trained weights for {', '.join(missing[:3])}"
            f"{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}: it is a bare {model.config.model_type} "
            "backbone; `muse-batch classifier fit` trains a head"
        )
    return model.float().eval().requires_grad_(False)


def open_image_model(folder: Path) -> tuple[nn.Module, Preprocessing]:
    """An `AutoModelForImageClassification` folder of any labels, with its preprocessing."""
    from transformers import AutoModelForImageClassification

    return open_model(AutoModelForImageClassification, folder), Preprocessing.from_pretrained(
        folder
    )


def load_image_model(path: str | Path) -> tuple[nn.Module, int, list[float], list[float]]:
    """An image classifier of any labels: the model, its input side in pixels, its mean and std."""
    model, preprocessing = open_image_model(Path(path))
    return (
        model,
        preprocessing.side,
        preprocessing.mean.flatten().tolist(),
        preprocessing.std.flatten().tolist(),
    )
