"""Trains and exports the classifiers and the CLIP of the embedded model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from transformers import CLIPImageProcessor, CLIPProcessor, ViTImageProcessor

from jobs.world import models as build
from jobs.world.autoencoder import round_trip
from jobs.world.data import Scenes
from jobs.world.recipe import Recipe
from jobs.world.training_loop import Training, generator, stream
from muse.classifiers import resize
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import content_prompt

MEAN = STD = [0.5, 0.5, 0.5]
SMOOTHING = 0.05


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


def classifier_pixels(work: Path, name: str, scenes: Scenes, vae: nn.Module) -> torch.Tensor:
    """Scenes uint8 (n, 3, s, s) at the classifiers' size; every third went through the VAE."""
    file = work / f"{name}_pixels.pt"
    if not file.exists():
        parts = []
        for i in range(0, len(scenes.pixels), 60):
            pixels = scenes.batch(np.arange(i, min(i + 60, len(scenes.pixels))))
            pixels[::3] = round_trip(vae, pixels[::3])
            parts.append((resize(pixels, build.CLASSIFIER_SIDE) * 255).round().to(torch.uint8))
        torch.save(torch.cat(parts), file)
    return torch.load(file, weights_only=True)


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
    training = Training(name, work, {"model": model.train()}, 2e-3, steps, recipe.bfloat16)
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


def plain_prompts(scenes: Scenes) -> list[str]:
    """The plain prompt of each scene."""
    places, subjects = list(PLACES), list(SUBJECTS)
    return [content_prompt(places[p], subjects[s]) for _, p, s in scenes.labels]


def train_clip(
    recipe: Recipe,
    work: Path,
    pixels: torch.Tensor,
    captions: list[str],
    plain: list[str],
    name: str = "clip",
    seed: int = 21,
    text_layers: int = 2,
) -> nn.Module:
    """Contrastive, half on plain prompts and half on captions; equal texts are all positives."""
    torch.manual_seed(recipe.seed + seed)
    tokenizer = build.build_tokenizer(work / "tokenizer")
    model = build.build_clip(tokenizer, text_layers)
    training = Training(name, work, {"model": model}, 1e-3, recipe.clip_steps, recipe.bfloat16)
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


def export_classifier(model: nn.Module, folder: Path) -> None:
    """Save a classifier with its preprocessing."""
    model.save_pretrained(folder, safe_serialization=True)
    side = build.CLASSIFIER_SIDE
    ViTImageProcessor(
        size={"height": side, "width": side}, image_mean=MEAN, image_std=STD
    ).save_pretrained(folder)


def export_clip(model: nn.Module, work: Path, folder: Path) -> None:
    """Save the CLIP with its preprocessing and tokenizer."""
    model.save_pretrained(folder, safe_serialization=True)
    side = build.CLASSIFIER_SIDE
    images = CLIPImageProcessor(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=MEAN,
        image_std=STD,
        resample=Image.Resampling.BILINEAR,
    )
    tokenizer = build.build_tokenizer(work / "tokenizer")
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
