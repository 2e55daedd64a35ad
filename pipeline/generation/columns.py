"""What the metadata hold of an engine's output: its scores, sizes, source image and trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from muse.masks import share_of
from pipeline.config import Config
from pipeline.generation.engines.engine import EngineInput, EngineOutput
from pipeline.generation.ssim import ssim

DIGITS = 5
"""Decimals of stored scores."""


def invalid_score(output: EngineOutput) -> str:
    """Which score of an image is not finite; empty if all are."""
    scores = {
        "judge": output.judge.probabilities,
        "guide": output.guide.probabilities,
        "similarity": (output.similarity,),
    }
    for name, values in scores.items():
        if not all(map(math.isfinite, values)):
            return f"the {name} gave a score that is not a finite number"
    return ""


def columns_of(request: EngineInput, output: EngineOutput, config: Config) -> dict[str, Any]:
    """The columns that follow from an image, by the names of `Record`'s fields."""
    assert output.image is not None, "there is no image"
    return {
        "prompt_truncated": output.reading.truncated,
        "negative_prompt_truncated": output.reading.negative_truncated,
        "prompt_windows": output.reading.windows,
        **_score_columns(output, config.taxonomy.labels),
        **_size_columns(request, output.image, config),
        **_source_columns(request, output, output.image),
        **_trace_columns(output),
    }


def _score_columns(output: EngineOutput, labels: Sequence[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {"similarity": round(output.similarity, DIGITS)}
    for name, scores in (("judge", output.judge), ("guide", output.guide)):
        probabilities = dict(zip(labels, _rounded(scores.probabilities), strict=True))
        columns[name] = probabilities
        columns[f"{name}_emotion"] = max(probabilities, key=lambda label: probabilities[label])
        columns[f"{name}_confidence"] = round(scores.confidence, DIGITS)
    return columns


def _size_columns(request: EngineInput, image: Image.Image, config: Config) -> dict[str, Any]:
    """The size at which an image was made, and the one that it has in the shard."""
    source, (width, height) = request.source, image.size
    if source is not None and config.restore_size:
        width, height = source.width, source.height
    return {
        "width": width,
        "height": height,
        "made_width": image.width,
        "made_height": image.height,
        "resize": None if source is None else config.resize,
        "restored": None if source is None else config.restore_size,
    }


def _source_columns(
    request: EngineInput, output: EngineOutput, image: Image.Image
) -> dict[str, Any]:
    """What is known of the source image of an edit, and how far the edit resembles it."""
    source = request.source
    if source is None:
        return {}
    assert output.source_similarity is not None
    left, top, right, bottom = source.crop
    mask = request.mask
    return {
        "mask_share": None if mask is None else round(share_of(mask), DIGITS),
        "source_width": source.width,
        "source_height": source.height,
        "source_crop_left": left,
        "source_crop_top": top,
        "source_crop_right": right,
        "source_crop_bottom": bottom,
        "source_similarity": round(output.source_similarity, DIGITS),
        "source_ssim": round(ssim(source.image, image), DIGITS),
    }


def _trace_columns(output: EngineOutput) -> dict[str, Any]:
    """What an engine with a model notes of how an image was made; nothing of the null engine."""
    trace = output.trace
    if trace is None:
        return {}
    return {
        "inherent": trace.inherent,
        "start_step": trace.start_step,
        "updates": trace.updates,
        "guide_gradients": trace.guide_gradients,
        "guide_forwards": trace.guide_forwards,
        "nfe": trace.nfe,
        "trace_similarity": _rounded(trace.similarity),
        "trace_loss": _rounded(trace.loss),
        "trace_confidence": _rounded(trace.confidence),
    }


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), DIGITS) for value in values)
