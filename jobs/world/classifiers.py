"""Trains the classifiers and the CLIPs of the embedded model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from jobs.world import models as build
from jobs.world.recipe import Recipe
from jobs.world.training_loop import Training, generator, stream

SMOOTHING = 0.05
"""Of the labels."""


def degrade(pixels: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Augmentation as in generated images: blur, noise and contrast an image, a shift a batch."""
    coin = torch.rand(len(pixels), 4, generator=draw)
    side = pixels.shape[-1]
    for factor, low, high in ((2, 0.0, 0.2), (4, 0.2, 0.35)):
        soft = F.interpolate(F.avg_pool2d(pixels, factor), size=(side, side), mode="bilinear")
        chosen = (coin[:, 0] >= low) & (coin[:, 0] < high)
        pixels = torch.where(chosen[:, None, None, None], soft, pixels)
    strength = 0.16 * (coin[:, 1] - 0.5).clamp(min=0)[:, None, None, None]
    pixels = pixels + strength * torch.randn(pixels.shape, generator=draw)
    contrast = (1 + 0.3 * (coin[:, 2] - 0.5))[:, None, None, None]
    pixels = ((pixels - 0.5) * contrast + 0.5).clamp(0, 1)
    across, down = (int(v) for v in torch.randint(-4, 5, (2,), generator=draw))
    return F.pad(pixels, (4, 4, 4, 4), mode="replicate")[
        ..., 4 + down : 4 + down + side, 4 + across : 4 + across + side
    ]


def train_classifier(
    recipe: Recipe,
    work: Path,
    name: str,
    kind: str,
    names: list[str],
    seed: int,
    pixels: torch.Tensor,
    labels: np.ndarray,
    steps: int,
    multi_label: bool = False,
) -> nn.Module:
    """Train a classifier `name` of the architecture `kind` with the labels `names`.

    Args:
        pixels: uint8 (n, 3, s, s).
        labels: int64 (n,), or float32 (n, labels): shares of each label.
        multi_label: a sigmoid for each label instead of a softmax; then a label with any share
            counts as present.
    """
    torch.manual_seed(recipe.seed + seed)
    model = build.build_classifier(kind, names).to(memory_format=torch.channels_last)
    training = Training(name, work, {"model": model.train()}, 2e-3, steps)
    index = stream(recipe.seed, len(pixels), recipe.classifier_batch, seed, training.step)
    known = torch.from_numpy(labels)
    if multi_label:
        model.config.problem_type = "multi_label_classification"
        known = (known > 0).float() * (1 - SMOOTHING) + SMOOTHING / 2

    def loss_of(step: int) -> torch.Tensor:
        chosen = next(index)
        inputs = degrade(pixels[chosen].float() / 255, generator(recipe.seed, step, seed))
        inputs = (inputs * 2 - 1).to(memory_format=torch.channels_last)
        logits = model(pixel_values=inputs).logits.float()
        if multi_label:
            return F.binary_cross_entropy_with_logits(logits, known[chosen])
        return F.cross_entropy(logits, known[chosen], label_smoothing=SMOOTHING)

    training.run(loss_of)
    return build.freeze(model)


def train_clip(
    recipe: Recipe,
    work: Path,
    pixels: torch.Tensor,
    captions: list[str],
    plain: list[str],
    name: str,
    seed: int,
) -> nn.Module:
    """Contrastive, half on plain prompts and half on captions; equal texts are all positives.

    Args:
        pixels: uint8 (n, 3, s, s).
        captions, plain: n texts each.
    """
    torch.manual_seed(recipe.seed + seed)
    tokenizer = build.build_tokenizer(work / "tokenizer")
    model = build.build_clip(tokenizer)
    training = Training(name, work, {"model": model}, 1e-3, recipe.clip_steps)
    index = stream(recipe.seed, len(pixels), recipe.clip_batch, seed, training.step)

    def loss_of(step: int) -> torch.Tensor:
        chosen = next(index)
        texts = [plain[i] if k % 2 else captions[i] for k, i in enumerate(chosen)]
        ids = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        inputs = degrade(pixels[chosen].float() / 255, generator(recipe.seed, step, seed)) * 2 - 1
        scores = model(pixel_values=inputs, **ids).logits_per_image.float()
        same = torch.tensor([[a == b for b in texts] for a in texts], dtype=torch.float32)
        goal = same / same.sum(1, keepdim=True)
        return (F.cross_entropy(scores, goal) + F.cross_entropy(scores.T, goal)) / 2

    training.run(loss_of)
    return build.freeze(model)
