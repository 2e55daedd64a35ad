"""What a sample costs, in forwards of the network: floating-point operations counted by torch, part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from jobs.arms import Models
from muse.emotions import MIKELS, Target
from muse.rows import Trace


@dataclass(frozen=True)
class Costs:
    """GFLOP of one row, by part.

    Attributes:
        forward: the network, once.
        backward: the network, back to its conditioning.
        preview, preview_back: the decoder of the inner loop.
        guide, guide_back: the guide on what was decoded.
        text, text_back: the text encoders.
        decode: the full decoder.
    """

    forward: float
    backward: float
    preview: float
    preview_back: float
    guide: float
    guide_back: float
    text: float
    text_back: float
    decode: float

    @property
    def reading(self) -> float:
        """One reading of the guide with its gradient."""
        there = self.forward + self.preview + self.guide + self.text
        return there + self.backward + self.preview_back + self.guide_back + self.text_back

    def of(self, trace: Trace) -> float:
        """Everything that a sample took, in forwards of the network (NFE-eq), its picture's decoding included."""
        plain = (trace.forwards - 2 * trace.gradients) * self.forward
        looks = (len(trace.similarity) + trace.glances) * (self.preview + self.guide)
        return (plain + trace.gradients * self.reading + looks + self.decode) / self.forward


def gflop(work: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / 1e9


def count(models: Models) -> Costs:
    """Count each part on one row. A part's backward pass is counted to its inputs, as the frozen loop runs it."""
    backbone, guide = models.backbone, models.guide
    latents = torch.randn(1, *backbone.latent_shape, device=backbone.device)
    steps = torch.tensor([500], device=backbone.device)
    prompts = backbone.text.open(["a dog"], [Target.of(MIKELS.labels[0])], 4, ", evoking")
    tokens = backbone.text.start([Target.of(MIKELS.labels[0])], 4)
    with torch.no_grad():
        told = backbone.embed(prompts, tokens)
        pixels = backbone.codec.preview(latents)
        decode = gflop(lambda: backbone.codec.decode(latents))

    def both(work: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> tuple[float, float]:
        leaf = start.detach().requires_grad_(True)
        made: list[torch.Tensor] = []
        there = gflop(lambda: made.append(work(leaf)))
        return there, gflop(lambda: torch.autograd.grad(made[0].float().square().sum(), leaf))

    def network(context: torch.Tensor) -> torch.Tensor:
        return backbone.predict(latents, steps, type(told)(context, told.pooled))

    forward, backward = both(network, told.context)
    preview, preview_back = both(backbone.codec.preview, latents)
    seen, seen_back = both(guide.logits, pixels)
    text, text_back = both(lambda leaf: backbone.embed(prompts, leaf).context, tokens)
    return Costs(forward, backward, preview, preview_back, seen, seen_back, text, text_back, decode)
