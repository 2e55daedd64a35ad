"""What a call of `MusePipeline` makes: its images with their traces and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image

from muse.classifiers import EmotionClassifier
from muse.emotions.probabilities import Probabilities
from muse.request import Request, Sample, Trace


@dataclass(frozen=True)
class MuseOutput:
    """What a call makes, in the order of its prompts.

    Attributes:
        images: the pictures, RGB; None where a request failed.
        traces: how each was made.
        failures: the reason of each failed request, else None.
        confidences: how far the judge confirms each target, in [0, 1] (see `Target.confidence`);
            None for a failed request, and without a judge.
        judged: the judge's probability of each emotion by name, in [0, 1]; None likewise.
    """

    images: list[Image.Image | None]
    traces: list[Trace] = field(repr=False)
    failures: list[str | None]
    confidences: list[float | None]
    judged: list[dict[str, float] | None] = field(repr=False)


def output_of(
    requests: Sequence[Request],
    samples: Sequence[Sample],
    judge: EmotionClassifier | None,
    device: torch.device,
) -> MuseOutput:
    """The output for samples in the order of their requests.

    Args:
        judge: scores the images, if there is one.
        device: where it is.
    """
    output = MuseOutput([], [], [], [], [])
    for request, sample in zip(requests, samples, strict=True):
        output.images.append(_picture(sample))
        output.traces.append(sample.trace)
        output.failures.append(sample.failure)
        if judge is None or sample.pixels is None:
            output.judged.append(None)
            output.confidences.append(None)
            continue
        probabilities = _judged(sample.pixels, judge, device)
        judged = dict(zip(judge.taxonomy.labels, probabilities.p[0].tolist(), strict=True))
        output.judged.append(judged)
        confidence = request.target.confidence([*judged.values()], probabilities.multi_label)
        output.confidences.append(confidence)
    return output


def _judged(pixels: torch.Tensor, judge: EmotionClassifier, device: torch.device) -> Probabilities:
    """What the judge finds in an image, uint8 (h, w, 3), which it sees alone."""
    image = pixels.to(device).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        return judge.probs(image)


def _picture(sample: Sample) -> Image.Image | None:
    return None if sample.pixels is None else Image.fromarray(sample.pixels.numpy())
