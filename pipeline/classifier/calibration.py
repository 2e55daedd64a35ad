"""Figures of a fitted classifier: which images are held out, the temperature, the confusions, the
card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.classifier.quality import exact_interval
from pipeline.terminal import percent

if TYPE_CHECKING:
    from torch import Tensor


def split(
    emotions: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to train on, to calibrate on and to examine on, each emotion in the same shares; at
    least one of each.

    Raises:
        ValueError: an emotion with fewer than three images.
    """
    rng = np.random.default_rng(seed)
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for emotion in range(int(emotions.max()) + 1):
        rows = rng.permutation(np.flatnonzero(emotions == emotion))
        if len(rows) < 3:
            raise ValueError(f"{len(rows)} image(s)")
        half = max(1, round(len(rows) * share / 2))
        for part, chosen in zip(
            parts, (rows[2 * half :], rows[:half], rows[half : 2 * half]), strict=True
        ):
            part.append(chosen)
    train, calibrate, examine = (np.sort(np.concatenate(part)) for part in parts)
    return train, calibrate, examine


def temperature_of(logits: Tensor, emotions: Tensor) -> float:
    """The temperature under which held-out emotions are likeliest (Guo et al., arXiv 1706.04599),
    in [0.05, 20]."""
    import torch
    import torch.nn.functional as F

    # The loss has one minimum in log T: a grid, then a finer one around the best.
    low, high = np.log(0.05), np.log(20)
    for _ in range(3):
        grid = torch.linspace(low, high, 61)
        best = min(
            grid.tolist(), key=lambda t: float(F.cross_entropy(logits / np.exp(t), emotions))
        )
        low, high = max(low, best - (high - low) / 30), min(high, best + (high - low) / 30)
    return round(float(np.exp(best)), 4)


def calibration_error(probabilities: np.ndarray, emotions: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: the gap between confidence and accuracy over bins of equal width,
    weighted."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == emotions
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for number in {*place.tolist()}:
        inside = place == number
        error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return float(error)


def examine(
    logits: np.ndarray, emotions: np.ndarray, temperature: float, labels: tuple[str, ...]
) -> dict[str, Any]:
    """The figures of held-out logits: accuracy with its exact 95 % interval, calibration,
    confusions.

    Args:
        logits: (n, k), before the temperature.
        emotions: the true ones, int (n,).
    """

    def probabilities(divisor: float) -> np.ndarray:
        scaled = np.exp((logits - logits.max(1, keepdims=True)) / divisor)
        return scaled / scaled.sum(1, keepdims=True)

    predicted = logits.argmax(1)
    correct = int((predicted == emotions).sum())
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (emotions, predicted), 1)
    low, high = exact_interval(correct, len(emotions))
    after, before = probabilities(temperature), probabilities(1.0)
    return {
        "images": len(emotions),
        "accuracy": round(correct / len(emotions), 4),
        "interval": [round(low, 4), round(high, 4)],
        "calibration_error": round(calibration_error(after, emotions), 4),
        "calibration_error_before": round(calibration_error(before, emotions), 4),
        "labels": list(labels),
        "confusion": confusion.tolist(),
    }


def card(about: Mapping[str, Any], temperature: float) -> str:
    """The folder's README.md."""
    figures, settings = about["figures"], about["settings"]
    labels = figures["labels"]
    rows = []
    for i, (label, counts) in enumerate(zip(labels, figures["confusion"], strict=True)):
        cells = " | ".join(map(str, counts))
        rows.append(f"| {label} | {cells} | {percent(counts[i] / max(1, sum(counts)))} |")
    how = "the whole model fine-tuned" if settings["fine_tune"] else "a head on its frozen features"
    early = ""
    if settings["early"]:
        early = f"A share of {settings['early']:g} was blurred as an early prediction is.\n"
    warnings = "".join(f"\n**Do not rely on it:** {text}.\n" for text in figures["problems"])
    low, high = figures["interval"]
    plain = json.dumps({key: value for key, value in settings.items() if key != "taxonomy"})
    return CARD.format(
        taxonomy=settings["taxonomy"]["name"],
        about=about,
        sha256=about["backbone"]["sha256"][:16],
        how=how,
        early=early,
        warnings=warnings,
        figures=figures,
        low=low,
        high=high,
        temperature=temperature,
        header=" | ".join(labels),
        line="---|" * (len(labels) + 2),
        rows="\n".join(rows),
        settings=plain,
    )


CARD = """# Emotion classifier over {taxonomy}

Fitted by `muse-batch classifier fit` on {about[trained_on]} images of `{about[data]}`: {how}
(`{about[backbone][name]}`, SHA-256 `{sha256}`).
{early}On {figures[images]} held-out images its accuracy is {figures[accuracy]:.1%}
(95 %: {low:.1%} to {high:.1%}).
{warnings}
Its temperature is {temperature:g}, set on other held-out images and applied when it is loaded.
It takes the expected calibration error from {figures[calibration_error_before]:.3f}
to {figures[calibration_error]:.3f}.

Rows are the true emotion, columns the predicted one, in the same order.
The last column is the share that is right.

| | {header} | |
|{line}
{rows}

Settings: `{settings}`
"""
