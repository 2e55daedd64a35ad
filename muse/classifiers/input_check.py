"""Whether a model takes the images that the image processor in its folder makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from muse.classifiers.image_processors import first_sentence

USUAL_SIDES = (224, 384)
"""Of the inputs of most classifiers, pixels."""


def input_problem(folder: Path, side: int, embeds: bool) -> str | None:
    """Why a model cannot take images of `side` x `side` pixels; None if it can.

    The model is made on torch's device `meta` and tried there: no weights are read. One that does
    not run there is tried on the CPU, with random weights.

    Args:
        folder: of a classifier, or of a backbone that embeds images.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForImageClassification

    from muse.diffusion.quiet import quiet_loading

    kind = AutoModel if embeds else AutoModelForImageClassification
    try:
        with quiet_loading("transformers"):
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        _made(kind, config, "meta")
    except Exception as error:  # each class fails in its own way on bad settings
        return f"transformers cannot make a model of its config.json ({first_sentence(error)})"
    vision = getattr(config, "vision_config", config)
    channels = getattr(vision, "num_channels", 3)
    if channels != 3:
        return f"its model takes images of {channels} channels (num_channels), not of 3"
    if _failure(kind, config, side) is None:
        return None
    sides = (getattr(vision, "image_size", None), *USUAL_SIDES)
    whole = (other for other in sides if isinstance(other, int))
    other = next((other for other in whole if _failure(kind, config, other) is None), None)
    remedy = "take preprocessor_config.json and config.json from one model"
    if other is not None:
        return (
            f"its image processor makes images of {side} x {side} pixels, and its model does not "
            f"take these, but {other} x {other}: {remedy}"
        )
    # A model that takes none may not run on `meta`. On the CPU it takes seconds to make it.
    if (failure := _failure(kind, config, side, "cpu")) is None:
        return None
    return (
        f"its image processor makes images of {side} x {side} pixels, and its model fails on "
        f"these ({first_sentence(failure)}): {remedy}"
    )


def _made(kind: Any, config: Any, device: str) -> Any:
    """A model of a configuration in float32, as it is loaded, with no weights or random ones."""
    from muse.diffusion.quiet import quiet_loading

    with quiet_loading("transformers"), torch.device(device):
        return kind.from_config(config, dtype=torch.float32).eval()


@torch.no_grad()
def _failure(kind: Any, config: Any, side: int, device: str = "meta") -> Exception | None:
    """What a model of a configuration raises on an image of a size; None if it takes it."""
    # Each size needs a model of its own: a Swin keeps what it has adapted to the first.
    model = _made(kind, config, device)
    pixels = torch.zeros(1, 3, side, side, device=device)
    try:
        getattr(model, "get_image_features", model)(pixel_values=pixels)
    except Exception as error:  # any error of a model that does not run
        return error
    return None
