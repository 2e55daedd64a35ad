"""Figures of a fitted classifier: who is held out, the temperature, the confusions, the card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def split(
    emotions: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to train on, to calibrate on and to examine on, each emotion in the same shares; at least one of each.

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
    """The temperature under which held-out emotions are likeliest (Guo et al., arXiv 1706.04599), in [0.05, 20]."""
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
    """Expected calibration error: the gap between confidence and accuracy over bins of equal width, weighted."""
    confidence, hit = probabilities.max(1), probabilities.argmax(1) == emotions
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = (
        (place == b).mean() * abs(hit[place == b].mean() - confidence[place == b].mean())
        for b in {*place.tolist()}
    )
    return float(sum(gaps))


def examine(
    logits: np.ndarray, emotions: np.ndarray, temperature: float, labels: tuple[str, ...]
) -> dict[str, Any]:
    """The figures of held-out logits: accuracy with its 95 % interval, calibration before and after, confusions."""

    def probs(t: float) -> np.ndarray:
        scaled = np.exp((logits - logits.max(1, keepdims=True)) / t)
        return scaled / scaled.sum(1, keepdims=True)

    hits = (logits.argmax(1) == emotions).astype(float)
    means = np.random.default_rng(0).choice(hits, (2000, len(hits))).mean(1)
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (emotions, logits.argmax(1)), 1)
    return {
        "images": len(emotions),
        "accuracy": round(float(hits.mean()), 4),
        "interval": [round(float(q), 4) for q in np.quantile(means, [0.025, 0.975])],
        "calibration_error": round(calibration_error(probs(temperature), emotions), 4),
        "calibration_error_before": round(calibration_error(probs(1.0), emotions), 4),
        "labels": list(labels),
        "confusion": confusion.tolist(),
    }


def card(about: Mapping[str, Any], temperature: float) -> str:
    """The folder's README.md."""
    figures, settings = about["figures"], about["settings"]
    labels = figures["labels"]
    rows = "\n".join(
        f"| {label} | {' | '.join(map(str, row))} | {row[i] / max(1, sum(row)):.0%} |"
        for i, (label, row) in enumerate(zip(labels, figures["confusion"], strict=True))
    )
    how = "the whole model fine-tuned" if settings["fine_tune"] else "a head on its frozen features"
    early = (
        f"A share of {settings['early']:g} was blurred as an early prediction is.\n"
        if settings["early"]
        else ""
    )
    low, high = figures["interval"]
    plain = json.dumps({key: value for key, value in settings.items() if key != "taxonomy"})
    return f"""# Emotion classifier over {settings["taxonomy"]["name"]}

Fitted by `muse-batch classifier fit` on {about["trained_on"]} images of `{about["data"]}`: {how}
(`{about["backbone"]["name"]}`, SHA-256 `{about["backbone"]["sha256"][:16]}`).
{early}On {figures["images"]} held-out images its accuracy is {figures["accuracy"]:.1%} (95 %: {low:.1%} to {high:.1%}).
Its temperature is {temperature:g}, set on other held-out images and applied when it is loaded; it takes the expected
calibration error from {figures["calibration_error_before"]:.3f} to {figures["calibration_error"]:.3f}.

Rows are the true emotion, columns what it sees, in the same order; the last column is the share that is right.

| | {" | ".join(labels)} | |
|{"---|" * (len(labels) + 2)}
{rows}

Settings: `{plain}`
"""
