"""The image processors of transformers: which one a folder names, and what it does to an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from muse.classifiers.image_steps import CentreCrop, CentreShare, ShortestEdge, Squash, Step
from muse.classifiers.spec import read_json

WARPED_FROM = 384
"""The edge from which ConvNeXt's processor squashes an image and crops nothing."""

REMEDY = (
    "correct its preprocessor_config.json if that is wrong, or use a model whose image processor "
    "only resizes and crops to one square size and normalises, as ViTImageProcessor, "
    "CLIPImageProcessor and ConvNextImageProcessor do"
)


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of a folder's image processor, from the file that transformers reads.

    Raises:
        ValueError: the folder has none.
    """
    file = folder / "processor_config.json"
    if file.is_file() and isinstance(settings := read_json(file).get("image_processor"), dict):
        return settings
    file = folder / "preprocessor_config.json"
    if file.is_file():
        return read_json(file)
    raise ValueError(
        f"{folder} does not say how images are preprocessed: it has no preprocessor_config.json; "
        "copy the one of the model that it was trained from"
    )


def open_processor(folder: Path) -> Any:
    """The image processor of transformers that a folder names, with the defaults of its class.

    Where its file names no class, it is the one that belongs to the model_type of config.json.

    Raises:
        ValueError: it names none, or one that cannot be used here.
    """
    settings = read_settings(folder)
    # Importing transformers takes a second; a plan with the embedded classifiers does without it.
    from transformers import AutoImageProcessor

    from muse.diffusion.quiet import quiet_loading

    try:
        with quiet_loading("transformers"):
            return AutoImageProcessor.from_pretrained(
                folder, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        # Its settings are arbitrary JSON, and each class fails in its own way on bad ones.
        raise ValueError(f"{folder}: {_why_not_loaded(settings, error)}") from None


SAME_WITHOUT_TORCHVISION = {"DINOv3ViTImageProcessor": "ViTImageProcessor"}
"""Classes that differ from another by their default image_mean and image_std alone."""


def _why_not_loaded(settings: Mapping[str, Any], error: Exception) -> str:
    name = settings.get("image_processor_type") or settings.get("feature_extractor_type")
    if not name and "Unrecognized" in str(error):
        return (
            "its preprocessor_config.json names no image_processor_type, and its config.json has "
            "no model_type with an image processor of its own; add the image_processor_type that "
            "the model was trained with"
        )
    named = f" {name}" if name else ""
    if "torchvision" in str(error).lower():
        same = SAME_WITHOUT_TORCHVISION.get(str(name).removesuffix("Fast"))
        remedy = REMEDY
        if same and {"image_mean", "image_std"} <= {*settings}:
            remedy = f"write {same} in its place, which does the same with these settings"
        return f"its image processor{named} needs torchvision, which is not installed; {remedy}"
    return (
        f"transformers cannot load its image processor{named} ({first_sentence(error)}); correct "
        "its preprocessor_config.json, or take that of the model that it was trained from"
    )


def first_sentence(error: Exception) -> str:
    """The beginning of an error of transformers, which may go on for a page."""
    return str(error).strip().split("\n")[0].split(". ")[0] or type(error).__name__


def class_name(processor: Any) -> str:
    """The name of a processor's class as files give it, without the suffix of a backend."""
    return type(processor).__name__.removesuffix("Fast").removesuffix("Pil")


def steps_of(processor: Any) -> list[Step]:
    """What an image processor does to the shape of an image, in its order.

    Raises:
        ValueError: its size is of a kind that is not reproduced.
    """
    name = class_name(processor)
    if name == "PerceiverImageProcessor":
        return [*_perceiver_crop(processor), *_resized(processor, _standard)]
    resized = _resized(processor, RESIZED_BY.get(name, _standard))
    if not getattr(processor, "do_center_crop", False):
        return resized
    crop = size_of(processor, "crop_size")
    return [*resized, CentreCrop(crop["height"], crop["width"])]


def size_of(processor: Any, name: str = "size") -> dict[str, int]:
    """The numbers of a size that are given."""
    given = dict(getattr(processor, name, None) or {})
    return {key: number for key, number in given.items() if number is not None}


def _resized(processor: Any, by: Callable[[Any], list[Step]]) -> list[Step]:
    return by(processor) if processor.do_resize else []


def _standard(processor: Any) -> list[Step]:
    size = size_of(processor)
    if {*size} == {"height", "width"}:
        return [Squash(size["height"], size["width"])]
    if {*size} == {"shortest_edge"}:
        return [ShortestEdge(size["shortest_edge"])]
    raise ValueError(f"its size is {size}")


def _convnext(processor: Any) -> list[Step]:
    edge = size_of(processor)["shortest_edge"]
    if edge >= WARPED_FROM:
        return [Squash(edge, edge)]
    return [ShortestEdge(int(edge / processor.crop_pct)), CentreCrop(edge, edge)]


def _poolformer(processor: Any) -> list[Step]:
    share = processor.crop_pct
    if share is None:
        return _standard(processor)
    (step,) = _standard(processor)
    if isinstance(step, Squash) and step.height != step.width:
        return [Squash(int(step.height / share), int(step.width / share))]
    edge = step.edge if isinstance(step, ShortestEdge) else step.height
    return [ShortestEdge(int(edge / share))]


def _levit(processor: Any) -> list[Step]:
    (step,) = _standard(processor)
    if isinstance(step, ShortestEdge):
        return [ShortestEdge(int((256 / 224) * step.edge))]
    return [step]


RESIZED_BY: Mapping[str, Callable[[Any], list[Step]]] = {
    "ConvNextImageProcessor": _convnext,
    "LevitImageProcessor": _levit,
    "PoolFormerImageProcessor": _poolformer,
}
"""The classes that resize in a way of their own."""


def _perceiver_crop(processor: Any) -> list[Step]:
    if not processor.do_center_crop:
        return []
    size, crop = size_of(processor), size_of(processor, "crop_size")
    return [CentreShare(size["height"] / crop["height"], size["width"] / crop["width"])]


def affine_of(processor: Any) -> tuple[list[float], list[float]]:
    """Mean and standard deviation by which pixels in [0, 1] become what a processor returns."""
    # Some models take 0..255, or -1..1, before the mean is subtracted.
    scale = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    shift = 1.0 if processor.do_rescale and getattr(processor, "rescale_offset", False) else 0.0
    mean, std = [0.0] * 3, [1.0] * 3
    # That of MobileViT has the setting, but no such step.
    normalises = class_name(processor) != "MobileViTImageProcessor"
    if normalises and getattr(processor, "do_normalize", False):
        mean, std = _channels(processor.image_mean), _channels(processor.image_std)
    # EfficientNet divides by the standard deviation once more, also where it does not normalise.
    if getattr(processor, "include_top", False):
        std = [s * again for s, again in zip(std, _channels(processor.image_std), strict=True)]
    return [(m + shift) / scale for m in mean], [s / scale for s in std]


def _channels(value: Any) -> list[float]:
    """A number for each of three channels."""
    return [float(value)] * 3 if isinstance(value, int | float) else list(map(float, value))
