"""The cost of a sample in forwards of the network, by operations that torch counts for each part.

Torch counts convolutions, matrix products and attention. Norms, activations, resizing, samplers and
the optimiser have none of these and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from jobs.evaluation.arms.models import Models
from muse.diffusion.backbones import Conditioning
from muse.emotions import MIKELS, Target
from muse.method import Method
from muse.request import Sample, Trace


@dataclass(frozen=True)
class Costs:
    """GFLOP of one row, by part.

    Attributes:
        forward: the network, once.
        backward: the network, back to its conditioning.
        draft, draft_back: the decoder of the inner loop.
        guide, guide_back: the guide on a decoded prediction.
        text, text_back: the text encoders.
        decode, encode: the VAE in full.
        clip_image, clip_image_back, clip_text: the model of image-text similarity.
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
    clip_image_back: float
    clip_text: float

    @property
    def guide_gradient(self) -> float:
        """One evaluation of the guide with its gradient, without the text encoders."""
        forward = self.forward + self.draft + self.guide
        return forward + self.backward + self.draft_back + self.guide_back

    def of(
        self,
        trace: Trace,
        method: Method,
        edited: bool = False,
        images: int = 1,
        tokens: bool = True,
    ) -> float:
        """The cost of a sample from prompt and source to image, in forwards of the network.

        Left out is the scoring of the image, less than a forward on the embedded model. An arm
        without guide and CLIP (`jobs.evaluation.arms.directions`) is charged for them once: for a
        prompt and a source, as the engine needs them.

        Args:
            edited: whether it has a source image.
            images: the images made under this trace, if it is a sum of several.
            tokens: whether each evaluation by the guide has tokens of its own to encode.
        """
        checks, plain = len(trace.similarity), trace.nfe - 2 * trace.guide_gradients
        timed = checks * (self.draft + self.guide + self.clip_image)
        guided = trace.guide_gradients * self.guide_gradient
        guided += trace.guide_forwards * (self.draft + self.guide)
        if tokens:
            guided += trace.guide_gradients * (self.text + self.text_back)
            guided += trace.guide_forwards * self.text
        # The content term compares what the guide sees, and before it the source image.
        if method.content_weight and method.timing != "never":
            seen = trace.guide_gradients + trace.guide_forwards + edited
            guided += seen * self.clip_image + trace.guide_gradients * self.clip_image_back
        steps = plain * self.forward + encoded_without_guide(trace, method) * self.text
        start = 2 * self.text + self.clip_text + edited * (self.encode + self.guide)
        return (steps + timed + guided + images * (start + self.decode)) / self.forward

    def of_all(
        self,
        samples: Sequence[Sample],
        method: Method,
        edited: bool = False,
        images: int = 1,
        tokens: bool = True,
    ) -> list[float]:
        """`of` every sample."""
        return [self.of(sample.trace, method, edited, images, tokens) for sample in samples]


def encoded_without_guide(trace: Trace, method: Method) -> int:
    """How often prompts with emotional tokens are encoded without an evaluation by the guide: in
    each step after `guidance_end`; once where fitted tokens stay as they are, which need no timing.
    """
    if trace.start_step is None:
        return 0
    if not trace.similarity:
        return 1
    end = math.ceil(method.guidance_end * method.steps) if method.max_updates_per_step else 0
    return max(0, method.steps - max(end, trace.start_step))


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
"""Attention on a CPU; the counter of torch only knows the kernels of GPUs."""


def gflop(work: Callable[[], Any]) -> float:
    """Operations of a call, in GFLOP."""
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        work()
    return float(counter.get_total_flops()) / 1e9


def count(models: Models) -> Costs:
    """Count the operations of each part on one row.

    Backward passes are those to the inputs of a part, since its weights are frozen.
    """
    backbone, guide = models.backbone, models.guide
    latents = torch.randn(1, *backbone.latent_shape, device=backbone.device)
    steps = torch.tensor([500], device=backbone.device)
    prompt = "a dog on a beach"
    prompts = backbone.text.open(
        [prompt], [Target.of(MIKELS.labels[0])], Method().tokens, Method().prompt_suffix
    )
    tokens = backbone.text.start([Target.of(MIKELS.labels[0])], Method().tokens)
    with torch.no_grad():
        conditioning = backbone.embed(prompts, tokens)
        pixels = backbone.codec.decode_draft(latents)
        decoded = backbone.codec.decode(latents)
        decode = gflop(lambda: backbone.codec.decode(latents))
        encode = gflop(lambda: backbone.codec.encode(decoded))
        clip_text = gflop(lambda: models.clip.text([prompt]))

    def both(
        work: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor
    ) -> tuple[float, float]:
        leaf = start.detach().requires_grad_(True)
        outputs: list[torch.Tensor] = []
        forward = gflop(lambda: outputs.append(work(leaf)))
        loss = outputs[0].float().square().sum()
        return forward, gflop(lambda: torch.autograd.grad(loss, leaf))

    def network(context: torch.Tensor) -> torch.Tensor:
        return backbone.predict(latents, steps, Conditioning(context, conditioning.pooled))

    forward, backward = both(network, conditioning.context)
    draft, draft_back = both(backbone.codec.decode_draft, latents)
    guided, guided_back = both(guide.logits, pixels)
    compared = both(models.clip.image, pixels)
    text, text_back = both(lambda leaf: backbone.embed(prompts, leaf).context, tokens)
    inner = (forward, backward, draft, draft_back, guided, guided_back, text, text_back)
    return Costs(*inner, decode, encode, *compared, clip_text)
