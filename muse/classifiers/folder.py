"""Classifiers in the `AutoModelForImageClassification` layout, weights in safetensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from muse.classifiers.base import ImageClassifier
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.spec import ClassifierSpec, read_spec, safe_config
from muse.diffusion.files.part_weights import shapes_in
from muse.diffusion.files.tensor_fit import fit_of_transformers
from muse.diffusion.quiet import quiet_loading
from muse.emotions import MIKELS, Taxonomy


class FolderClassifier(ImageClassifier):
    """Any image classifier that transformers supports."""

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        taxonomy: Taxonomy = MIKELS,
        label_map: Mapping[str, str] | None = None,
    ) -> FolderClassifier:
        """Load from a local folder.

        Raises:
            ValueError: no such folder, no safetensors in it, or labels that do not match.
        """
        return cls.of(read_spec(Path(path)), taxonomy, label_map)

    @classmethod
    def of(
        cls, spec: ClassifierSpec, taxonomy: Taxonomy, label_map: Mapping[str, str] | None = None
    ) -> FolderClassifier:
        spec.check(taxonomy, label_map)
        model, preprocessing = open_image_model(spec.weights)
        return cls(
            model,
            preprocessing,
            spec.labels,
            taxonomy,
            label_map,
            spec.temperature,
            spec.multi_label,
        )

    def scores(self, inputs: Tensor) -> Tensor:
        return self.model(pixel_values=inputs).logits


def open_model(kind: Any, folder: Path) -> nn.Module:
    """A frozen float32 model from a folder of safetensors that has every weight.

    Args:
        kind: a class of transformers with `from_pretrained`.

    Raises:
        ValueError: not a safe folder, or one that lacks weights, which would be random.
    """
    safe_config(folder)
    try:
        with quiet_loading("transformers"):
            model, loading = kind.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise ValueError(f"{folder} cannot be loaded: {error}") from None
    if missing := loading["missing_keys"]:
        raise ValueError(_untrained(kind, folder, missing, model.config.model_type))
    return model.float().eval().requires_grad_(False)


def check_weights(kind: Any, folder: Path) -> None:
    """Whether `open_model` would find every weight, by the headers of the files alone.

    Args:
        kind: `AutoModel` or `AutoModelForImageClassification`.

    Raises:
        ValueError: the files lack weights, or have some of other shapes than config.json says.
    """
    import torch
    from transformers import AutoConfig

    # Quantised weights have other names.
    if safe_config(folder).get("quantization_config") is not None:
        return
    shapes = shapes_in(folder, "transformers")
    try:
        with quiet_loading("transformers"), torch.device("meta"):
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            made = type(kind.from_config(config))
        fit = fit_of_transformers(made, folder, shapes)
    except Exception:  # what cannot be made without content is left to loading
        return
    if fit.missing:
        raise ValueError(_untrained(kind, folder, fit.missing, config.model_type))
    for problem in fit.problems(str(folder), made):
        raise ValueError(problem)


def _untrained(kind: Any, folder: Path, missing: Collection[str], model_type: str) -> str:
    """That a model lacks weights, which would be random, with the remedy."""
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    remedy = "it is no whole model; copy it again, with all its files"
    if "ImageClassification" in kind.__name__:
        remedy = f"it is a bare {model_type} backbone; `muse-batch classifier fit` trains a head"
    return f"{folder} has no trained weights for {', '.join(sorted(missing)[:3])}{more}: {remedy}"


def open_image_model(folder: Path) -> tuple[nn.Module, Preprocessing]:
    """An `AutoModelForImageClassification` folder with any labels, and its preprocessing."""
    from transformers import AutoModelForImageClassification

    return open_model(AutoModelForImageClassification, folder), Preprocessing.from_pretrained(
        folder
    )


def load_image_model(path: str | Path) -> tuple[nn.Module, int, list[float], list[float]]:
    """An image classifier with any labels: model, side of its input in pixels, mean and std."""
    model, preprocessing = open_image_model(Path(path))
    return (
        model,
        preprocessing.side,
        preprocessing.mean.flatten().tolist(),
        preprocessing.std.flatten().tolist(),
    )
