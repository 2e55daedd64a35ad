"""Tiny models in float64, in which two ways to compute the same images agree to rounding.

In float32 they would drift apart: of a tiny gradient Adam keeps the sign alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch

from muse.diffusion.backbones.stable_diffusion import StableDiffusion
from muse.emotions import MIKELS, Target
from muse.emotions.probabilities import Probabilities
from muse.method import Method
from muse.request import Request
from tests.support.families import sd1
from tests.support.tiny_models import random_resnet

METHOD = Method(steps=5, max_updates_per_step=3, timing="fixed", timing_level=0.2, guidance_end=0.8)
VARIANTS = {
    "defaults": {},
    # The guide's confidences are near 1/8: some rows stop after an update or two, others go on.
    "early stop": {"stop_confidence": 0.145},
    "dpm++": {"sampler": "dpm++"},
    "threshold": {"timing": "threshold", "timing_level": -0.06, "timing_latest": 0.6},
    "never": {"timing": "never"},
    "tokens from halfway": {"initial_scale": 0.5},
    "no updates": {"max_updates_per_step": 0},
    # The mixture keeps its content from the start, the edit after an update, the others never.
    "content": {
        "content_weight": 5.0,
        "content_similarity": -0.065,
        "content_source_similarity": 0.9525,
        "stop_confidence": 0.09,
    },
    "as soon as content is kept": {"timing": "auto", "content_similarity": -0.065},
    "start after the updates": {"guidance_end": 0.2, "timing_level": 0.4},
}
"""Changes of `METHOD` under which everything must agree."""


class ExactGuide:
    """A classifier of random weights in float64."""

    taxonomy = MIKELS

    def __init__(self, make=Probabilities.from_softmax):
        self.model, self.make = random_resnet().double(), make

    def probs(self, pixels):
        return self.make(self.model(pixel_values=pixels.double() * 2 - 1).logits)


@contextmanager
def exact_models(tokenizer, clip) -> Iterator[tuple]:
    """Backbone, guide and similarity; while open, torch's default dtype is float64."""
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(0)
        backbone = StableDiffusion(sd1(tokenizer), dtype=torch.float64)
        yield backbone, ExactGuide(), deepcopy(clip).double()
    finally:
        torch.set_default_dtype(torch.float32)


def exact_requests() -> list[Request]:
    """Three generations, one of them of a mixture, and an edit."""
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    mixture = Target.of({"fear": 0.5, "sadness": 0.5})
    return [
        Request("a dog in a forest", Target.of("awe"), 1),
        Request("a cat by a pond", mixture, 2, negative_prompt="at night"),
        Request("a cat by a pond", Target.of("anger"), 3, image=image),
        Request("a dog in a forest", Target.of("contentment"), 4),
    ]
