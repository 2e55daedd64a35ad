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

    The model is made on torch's device `meta` and tried there: no weights are read.

    Args:
        folder: of a classifier, or of a backbone that embeds images.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForImageClassification

    from muse.diffusion.quiet import quiet_loading

    kind = AutoModel if embeds else AutoModelForImageClassification
    try:
        with quiet_loading("transformers"), torch.device("meta"):
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            model = kind.from_config(config).eval()
    except Exception as error:  # each class fails in its own way on bad settings
        return f"transformers cannot make a model of its config.json ({first_sentence(error)})"
    vision = getattr(config, "vision_config", config)
    channels = getattr(vision, "num_channels", 3)
    if channels != 3:
        return f"its model takes images of {channels} channels (num_channels), not of 3"
    if _takes(model, side):
        return None
    own = getattr(vision, "image_size", None)
    other = next((other for other in (own, *USUAL_SIDES) if _takes(model, other)), None)
    # A model that takes none, may not run on `meta`.
    if other is None:
        return None
    return (
        f"its image processor makes images of {side} x {side} pixels, and its model does not take "
        f"these, but {other} x {other}: take preprocessor_config.json and config.json from one "
        "model"
    )


@torch.no_grad()
def _takes(model: Any, side: Any) -> bool:
    """Whether a model on the device `meta` takes images of a size."""
    if not isinstance(side, int):
        return False
    pixels = torch.empty(1, 3, side, side, device="meta")
    try:
        getattr(model, "get_image_features", model)(pixel_values=pixels)
    except Exception:  # any error of a model that does not run
        return False
    return True
