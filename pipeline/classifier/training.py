"""Training of an image classifier: a head on frozen features, or the whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, field_validator

from muse.emotions import MIKELS, Taxonomy
from muse.method import Settings
from pipeline.config_tables import TaxonomySetting, Texts
from pipeline.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from muse.classifiers import Preprocessing


class Fit(Settings):
    """How a classifier is fitted."""

    backbone: str = Field(
        "",
        validate_default=True,
        description="Image model that transformers knows: a local folder or a hub id, with weights "
        "in safetensors.",
    )
    taxonomy: TaxonomySetting = Field(MIKELS, description="The emotions, as in a run.")
    label_map: Mapping[str, str] = Field(
        default_factory=dict,
        description="What labels of the data mean that the taxonomy does not name; an empty text "
        "leaves their images out.",
    )
    classes: Texts = Field(
        (), description="The names that numeric labels stand for, where the data do not say."
    )
    fine_tune: bool = Field(
        False,
        description="Train the whole model; otherwise a head on frozen features, which is much "
        "quicker.",
    )
    early: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the training images shown as an early one-step prediction shows "
        "them. For guides, which read such predictions.",
    )
    epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Passes over the training images; 0 for 60 of a head, 10 when fine-tuning.",
    )
    rate: float = Field(
        0.0,
        ge=0,
        le=1,
        description="AdamW's highest learning rate; 0 for 1e-2 for a head, 1e-4 when fine-tuning.",
    )
    batch_size: int = Field(64, ge=1, le=4096, description="Images in a step.")
    held_out: float = Field(
        0.2,
        ge=0.02,
        le=0.9,
        description="Share of each emotion's images that are not trained on. One half of them sets "
        "the temperature, the other gives the figures.",
    )
    seed: int = Field(
        0, ge=0, le=2**31, description="Seed of the split, the order and the augmentations."
    )

    @field_validator("backbone")
    @classmethod
    def _is_given(cls, backbone: str) -> str:
        if not backbone:
            raise ValueError("backbone is not given; name a folder or a hub id with --backbone")
        return backbone

    @property
    def passes(self) -> int:
        return self.epochs or (10 if self.fine_tune else 60)

    @property
    def peak(self) -> float:
        return self.rate or (1e-4 if self.fine_tune else 1e-2)


@dataclass(frozen=True)
class Images:
    """All images at the model's size, on disk: uint8 (n, 3, side, side); their emotions, int64
    (n,)."""

    pixels: np.ndarray
    emotions: np.ndarray

    def batch(self, rows: np.ndarray) -> Tensor:
        """Float (b, 3, side, side) in [0, 1]."""
        import torch

        return torch.from_numpy(self.pixels[rows]).float().div_(255)


def build(backbone: Path, taxonomy: Taxonomy) -> nn.Module:
    """The backbone as an image classifier over the taxonomy; its head new where it had none of that
    size."""
    from transformers import AutoModelForImageClassification
    from transformers.utils import logging

    from muse.diffusion.quiet import quiet_loading

    level = logging.get_verbosity()
    try:
        with quiet_loading("transformers"):
            # It would warn of the new head, which is the point.
            logging.set_verbosity_error()
            model = AutoModelForImageClassification.from_pretrained(
                backbone,
                num_labels=len(taxonomy),
                id2label=dict(enumerate(taxonomy.labels)),
                label2id={label: i for i, label in enumerate(taxonomy.labels)},
                ignore_mismatched_sizes=True,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise UserError(f"--backbone {backbone}: cannot be made a classifier: {error}") from None
    finally:
        logging.set_verbosity(level)
    if getattr(model, "classifier", None) is None:
        raise UserError(
            f"--backbone {backbone}: {type(model).__name__} has no `classifier` to train; "
            "use another model"
        )
    return model.float()


def _with_early_predictions(pixels: Tensor, share: float, generator: Any) -> Tensor:
    """A share of the images as an early prediction shows them."""
    import torch

    from muse.classifiers.early import blur_as_early_prediction

    chosen = torch.rand(len(pixels), generator=generator) < share
    if chosen.any():
        pixels[chosen] = blur_as_early_prediction(pixels[chosen], generator)
    return pixels


def _steps(
    model: nn.Module,
    count: int,
    settings: Fit,
    loss_of: Callable[[Tensor, Any], Tensor],
    on_progress: Callable[[str], None],
) -> None:
    """AdamW over the parameters that want a gradient; the rate rises over 5 % of the steps, then
    falls to nothing."""
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(
        (p for p in model.parameters() if p.requires_grad), lr=settings.peak, weight_decay=0.01
    )
    total, step = settings.passes * -(-count // settings.batch_size), 0
    for epoch in range(settings.passes):
        losses = []
        for rows in torch.randperm(count, generator=generator).split(settings.batch_size):
            done = step / total
            for group in optimizer.param_groups:
                group["lr"] = settings.peak * min(1.0, done / 0.05 + 1 / total, 1 - done)
            loss = loss_of(rows, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            step += 1
        if settings.fine_tune or epoch == settings.passes - 1:
            on_progress(f"epoch {epoch + 1} of {settings.passes}: loss {np.mean(losses):.4f}")


def train_head(
    model: nn.Module,
    preprocessing: Preprocessing,
    images: Images,
    rows: np.ndarray,
    settings: Fit,
    on_progress: Callable[[str], None],
) -> None:
    """Train `model.classifier` on what reaches it from the frozen rest, computed once."""
    import torch
    import torch.nn.functional as F

    model.eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(settings.seed)
    features: list[Tensor] = []
    hook = model.classifier.register_forward_pre_hook(
        lambda _, given: features.append(given[0].cpu())
    )
    goals = torch.from_numpy(images.emotions[rows])
    # With early predictions every image is used once as it is, and once more, blurred where it is
    # drawn.
    views = [goals]
    with torch.inference_mode():
        for part in np.array_split(rows, -(-len(rows) // settings.batch_size)):
            model(
                pixel_values=preprocessing.normalise(
                    images.batch(part).to(preprocessing.mean.device)
                )
            )
        if settings.early:
            for part in np.array_split(rows, -(-len(rows) // settings.batch_size)):
                seen = _with_early_predictions(images.batch(part), settings.early, generator)
                model(pixel_values=preprocessing.normalise(seen.to(preprocessing.mean.device)))
            views.append(goals)
    hook.remove()
    known, goals = torch.cat(features), torch.cat(views)
    head = model.classifier.requires_grad_(True)
    device = preprocessing.mean.device

    def loss_of(chosen: Tensor, _: Any) -> Tensor:
        return F.cross_entropy(head(known[chosen].to(device)), goals[chosen].to(device))

    _steps(head, len(known), settings, loss_of, on_progress)
    head.requires_grad_(False)


def tune(
    model: nn.Module,
    preprocessing: Preprocessing,
    images: Images,
    rows: np.ndarray,
    settings: Fit,
    on_progress: Callable[[str], None],
) -> None:
    """Train the whole model, on images mirrored at random."""
    import torch
    import torch.nn.functional as F

    model.train().requires_grad_(True)
    goals, device = torch.from_numpy(images.emotions[rows]), preprocessing.mean.device

    def loss_of(chosen: Tensor, generator: Any) -> Tensor:
        pixels = images.batch(rows[chosen.numpy()])
        mirrored = torch.rand(len(pixels), generator=generator) < 0.5
        pixels[mirrored] = pixels[mirrored].flip(-1)
        seen = preprocessing.normalise(
            _with_early_predictions(pixels, settings.early, generator).to(device)
        )
        return F.cross_entropy(
            model(pixel_values=seen).logits, goals[chosen].to(device), label_smoothing=0.05
        )

    _steps(model, len(rows), settings, loss_of, on_progress)
    model.eval().requires_grad_(False)


def predict(
    model: nn.Module, preprocessing: Preprocessing, images: Images, rows: np.ndarray
) -> Tensor:
    """Logits (len(rows), n), on the CPU."""
    import torch

    with torch.inference_mode():
        parts = [
            model(
                pixel_values=preprocessing.normalise(
                    images.batch(part).to(preprocessing.mean.device)
                )
            ).logits.cpu()
            for part in np.array_split(rows, -(-len(rows) // 64))
        ]
    return torch.cat(parts).float().clone()
