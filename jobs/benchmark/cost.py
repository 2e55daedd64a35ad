"""What a sample costs, in forwards of the network: floating-point operations counted by torch, part by part.

Torch counts convolutions, matrix products and attention. Norms, activations, resizing, samplers and the optimiser
have no such products and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from jobs.evaluation.arms import Models
from muse.emotions import MIKELS, Target
from muse.guidance.timing import timing_of
from muse.method import Method
from muse.request import Sample, Trace


@dataclass(frozen=True)
class Costs:
    """GFLOP of one row, by part.

    Attributes:
        forward: the network, once.
        backward: the network, back to its conditioning.
        draft, draft_back: the decoder of the inner loop.
        guide, guide_back: the guide on what was decoded.
        text, text_back: the text encoders.
        decode, encode: the VAE in full.
        clip_image, clip_text: the model of image-text similarity.
    """

    forward: float
    backward: float
    draft: float
    draft_back: float
    guide: float
    guide_back: float
    text: float
    text_back: float
    decode: float
    encode: float
    clip_image: float
    clip_text: float

    @property
    def reading(self) -> float:
        """One reading of the guide with its gradient."""
        there = self.forward + self.draft + self.guide + self.text
        return there + self.backward + self.draft_back + self.guide_back + self.text_back

    def of(self, trace: Trace, method: Method, edited: bool = False, pictures: int = 1) -> float:
        """What a sample took from its words, and its image, to its picture, in forwards of the network (NFE-eq).

        Left out are the verdicts on the picture: on the embedded model the judge's is 0.05 forwards. An arm that asks
        neither guide nor CLIP (`jobs.evaluation.arms.sdedit`) is charged for the one look at its source and the one prompt that
        the engine asks them for, 0.05 forwards too much.

        Args:
            edited: whether it began as an image.
            pictures: that were begun and decoded under this trace, if it is the sum of several.
        """
        looks, plain = len(trace.similarity), trace.nfe - 2 * trace.guide_gradients
        timing = timing_of(method)
        # A policy that looks at the picture without the prompt does so beside the one that the guide is shown.
        drafts = 2 if timing is not None and timing.unconditional else 1
        seen = looks * (drafts * self.draft + self.guide + self.clip_image)
        glanced = trace.guide_forwards * (self.draft + self.guide + self.text)
        opened = 2 * self.text + self.clip_text + edited * (self.encode + self.guide)
        steps = (
            plain * self.forward
            + trace.guide_gradients * self.reading
            + unread(trace, method) * self.text
        )
        return (steps + seen + glanced + pictures * (opened + self.decode)) / self.forward

    def each(
        self, samples: Sequence[Sample], method: Method, edited: bool = False, pictures: int = 1
    ) -> list[float]:
        """`of` every sample."""
        return [self.of(sample.trace, method, edited, pictures) for sample in samples]


def unread(trace: Trace, method: Method) -> int:
    """The steps that were told the emotional tokens without a reading of the guide: those after `guidance_end`."""
    if trace.start_step is None:
        return 0
    until = math.ceil(method.guidance_end * method.steps) if method.max_updates_per_step else 0
    return max(0, method.steps - max(until, trace.start_step))


def _attention(query: Any, key: Any, value: Any, *rest: Any, **named: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_back(
    gradient: Any, query: Any, key: Any, value: Any, *rest: Any, **named: Any
) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_back,
}
"""Attention as a CPU computes it; the counter knows the kernels of GPUs alone."""


def gflop(work: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        work()
    return float(counter.get_total_flops()) / 1e9


def count(models: Models) -> Costs:
    """Count each part on one row. A part's backward pass is counted to its inputs, as the frozen loop runs it."""
    backbone, guide = models.backbone, models.guide
    latents = torch.randn(1, *backbone.latent_shape, device=backbone.device)
    steps = torch.tensor([500], device=backbone.device)
    prompt = "a dog on a beach"
    prompts = backbone.text.open(
        [prompt], [Target.of(MIKELS.labels[0])], Method().tokens, Method().prompt_suffix
    )
    tokens = backbone.text.start([Target.of(MIKELS.labels[0])], Method().tokens)
    with torch.no_grad():
        told = backbone.embed(prompts, tokens)
        pixels = backbone.codec.decode_draft(latents)
        pictures: list[torch.Tensor] = []
        decode = gflop(lambda: pictures.append(backbone.codec.decode(latents)))
        encode = gflop(lambda: backbone.codec.encode(pictures[0]))
        alike, meant = (
            gflop(lambda: models.clip.image(pixels)),
            gflop(lambda: models.clip.text([prompt])),
        )

    def both(
        work: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor
    ) -> tuple[float, float]:
        leaf = start.detach().requires_grad_(True)
        made: list[torch.Tensor] = []
        there = gflop(lambda: made.append(work(leaf)))
        return there, gflop(lambda: torch.autograd.grad(made[0].float().square().sum(), leaf))

    def network(context: torch.Tensor) -> torch.Tensor:
        return backbone.predict(latents, steps, type(told)(context, told.pooled))

    forward, backward = both(network, told.context)
    draft, draft_back = both(backbone.codec.decode_draft, latents)
    seen, seen_back = both(guide.logits, pixels)
    text, text_back = both(lambda leaf: backbone.embed(prompts, leaf).context, tokens)
    inner = (forward, backward, draft, draft_back, seen, seen_back, text, text_back)
    return Costs(*inner, decode, encode, alike, meant)
