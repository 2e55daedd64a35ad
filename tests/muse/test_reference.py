"""The engine equals the reference to rounding, for many requests at once."""

import dataclasses

import pytest
import torch

from jobs.benchmark.lockstep import lockstep
from muse.diffusion.backbones.stable_diffusion import StableDiffusion
from muse.emotions import MIKELS, Target
from muse.emotions.probabilities import Probabilities
from muse.engine import MuseEngine
from muse.method import Method
from muse.reference import muse
from muse.request import Request
from tests.support.families import sd1
from tests.support.tiny_models import random_resnet


class Guide:
    """A classifier of random weights in float64."""

    taxonomy = MIKELS

    def __init__(self, make=Probabilities.from_softmax):
        self.model, self.make = random_resnet().double(), make

    def probs(self, pixels):
        return self.make(self.model(pixel_values=pixels.double() * 2 - 1).logits)


@pytest.fixture(scope="module")
def models(tokenizer, random_clip):
    """In float64: of a tiny gradient Adam keeps the sign alone, so float32 would drift apart."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield StableDiffusion(sd1(tokenizer), dtype=torch.float64), Guide(), random_clip
    torch.set_default_dtype(torch.float32)


def _requests():
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    return [
        Request("a dog in a forest", Target.of("awe"), 1),
        Request(
            "a cat by a pond",
            Target.of({"fear": 0.5, "sadness": 0.5}),
            2,
            negative_prompt="at night",
        ),
        Request("a car in a city", Target.of("anger"), 3, image=image),
        Request("a dog in a forest", Target.of("contentment"), 4),
    ]


BASE = Method(steps=5, max_updates_per_step=3, timing="fixed", timing_level=0.2, guidance_end=0.8)
MULTI_LABEL_CONFIDENCE = 0.48
UNCONDITIONAL = -0.01


@pytest.mark.parametrize("slots", [0, 2])
@pytest.mark.parametrize(
    "change",
    [
        {},
        # Confidences here lie near 1/8: some rows stop after a reading or two, others go on.
        {"stop_confidence": 0.145},
        {"sampler": "dpm++"},
        {"timing": "plateau", "timing_level": 0.0},
        {"timing": "unconditional_threshold", "timing_level": UNCONDITIONAL, "timing_latest": 0.6},
        {"timing": "never"},
        {"initial_scale": 0.5},
    ],
    ids=[
        "defaults",
        "early stop",
        "dpm++",
        "plateau",
        "unconditional threshold",
        "never",
        "tokens from halfway",
    ],
)
def test_the_engine_equals_the_reference(models, change, slots):
    samples = _hold_to_the_reference(models, dataclasses.replace(BASE, **change), slots)
    if change.get("timing") == "never":
        assert all(sample.trace.updates == 0 for sample in samples)
    if change.get("timing") == "unconditional_threshold":
        assert len({sample.trace.start_step for sample in samples}) > 1
    if "stop_confidence" in change:
        readings = [len(sample.trace.confidence) for sample in samples]
        assert len(set(readings)) > 1, readings


def test_the_engine_equals_the_reference_under_a_multi_label_guide(models):
    """One request is optimised further only because the inherent emotion is still probable."""
    backbone, _, clip = models
    method = dataclasses.replace(BASE, stop_confidence=MULTI_LABEL_CONFIDENCE)
    samples = _hold_to_the_reference(
        (backbone, Guide(Probabilities.from_sigmoid), clip), method, slots=2
    )
    assert any(
        sample.trace.updates and min(sample.trace.confidence) >= MULTI_LABEL_CONFIDENCE
        for sample in samples
    )


def _hold_to_the_reference(models, method, slots):
    final = {}

    def keep(row, latents):
        final[row.number] = latents.clone()

    samples = MuseEngine(*models, method, slots).run(_requests(), keep)
    with torch.no_grad():
        for number, request in enumerate(_requests()):
            expected = muse(*models, method, request)[0]
            assert torch.allclose(final[number], expected, rtol=1e-6, atol=1e-6), number
    return samples


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"stop_confidence": 0.145},
        {"sampler": "dpm++"},
        {"timing": "plateau", "timing_level": 0.0},
        {"timing": "unconditional_threshold", "timing_level": UNCONDITIONAL, "timing_latest": 0.6},
        {"max_updates_per_step": 0},
        {"timing": "never"},
        {"initial_scale": 0.5},
    ],
    ids=[
        "defaults",
        "early stop",
        "dpm++",
        "plateau",
        "unconditional threshold",
        "no updates",
        "never",
        "tokens from halfway",
    ],
)
def test_lockstep_equals_the_reference(models, change):
    """The benchmark's plain loop makes the same images, with all rows in every pass."""
    backbone, guide, clip = models
    method = dataclasses.replace(BASE, **change)
    requests = [request for request in _requests() if request.image is None]
    widths = []

    class Watched(Guide):
        def probs(self, pixels):
            widths.append(len(pixels))
            return guide.probs(pixels)

    final = lockstep(backbone, Watched(), clip, method, requests)
    assert set(widths) == ({len(requests)} if method.timing != "never" else set())
    with torch.no_grad():
        for latents, request in zip(final, requests, strict=True):
            assert torch.allclose(latents, muse(*models, method, request)[0], rtol=1e-6, atol=1e-6)
