"""The engine equals the reference to rounding, for many requests at once."""

from dataclasses import replace

import pytest
import torch

from muse.emotions import Target
from muse.emotions.probabilities import Probabilities
from muse.engine.engine import MuseEngine
from muse.guidance.fitted_tokens import FittedTokens
from muse.reference import muse
from muse.request import Request
from muse.sizes import Size
from tests.support.exact_models import METHOD, VARIANTS, ExactGuide, exact_models, exact_requests

MULTI_LABEL_CONFIDENCE = 0.48


@pytest.fixture(scope="module")
def models(tokenizer, random_clip):
    with exact_models(tokenizer, random_clip) as models:
        yield models


@pytest.mark.parametrize("variant", [*VARIANTS, "cold start"])
def test_the_engine_equals_the_reference(models, variant):
    changes = VARIANTS.get(variant, {"warm_start": False})
    samples = _hold_to_the_reference(models, METHOD.replace(**changes))
    if variant in ("defaults", "unconditional threshold"):
        _hold_to_the_reference(models, METHOD.replace(**changes), slots=0)
    if variant == "never":
        assert all(sample.trace.updates == 0 for sample in samples)
    if variant == "unconditional threshold":
        assert len({sample.trace.start_step for sample in samples}) > 1
    if variant == "content":
        updates = [sample.trace.updates for sample in samples]
        assert updates[1] == 0 < updates[2] < min(updates[0], updates[3])
    if variant == "early stop":
        assert len({len(sample.trace.confidence) for sample in samples}) > 1


def test_the_engine_equals_the_reference_under_a_multi_label_guide(models):
    """One request is optimised further only because the inherent emotion is still probable."""
    backbone, _, clip = models
    method = METHOD.replace(stop_confidence=MULTI_LABEL_CONFIDENCE)
    guide = ExactGuide(Probabilities.from_sigmoid)
    samples = _hold_to_the_reference((backbone, guide, clip), method)
    assert any(
        sample.trace.updates and min(sample.trace.confidence) >= MULTI_LABEL_CONFIDENCE
        for sample in samples
    )


@pytest.mark.parametrize("start", ["inversion", "noise"])
def test_the_engine_equals_the_reference_within_a_mask(models, start):
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[3:20, 5:] = True
    masked = Request("a car in a city", Target.of("awe"), 3, image=image, mask=mask)
    requests = [masked, exact_requests()[0]]
    method = METHOD.replace(edit_start=start, strength=0.8)
    samples = _hold_to_the_reference(models, method, 0, requests)
    assert samples[0].trace.updates > 0
    # Outside of the mask every pixel is that of the picture.
    levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0)
    same = (samples[0].pixels == levels).all(2)
    assert bool(same[~mask].all())
    assert not bool(same[mask].all())


def test_the_engine_equals_the_reference_at_a_size_that_is_not_square(models):
    size = Size(48, 16)
    requests = [replace(request, size=size) for request in exact_requests()]
    samples = _hold_to_the_reference(models, METHOD, 2, requests)
    assert {tuple(sample.pixels.shape) for sample in samples} == {(16, 48, 3)}
    assert any(sample.trace.updates for sample in samples)


@pytest.mark.parametrize("updates", ["auto", "always"])
def test_the_engine_equals_the_reference_from_fitted_tokens(models, updates):
    text, requests = models[0].text, exact_requests()
    names = {name for request in requests for name in request.target.members}
    words = {name: text.start([Target.of(name)], METHOD.tokens)[0] for name in sorted(names)}
    generator = torch.Generator().manual_seed(0)
    vectors = {k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in words.items()}
    alone = requests[0].target.members[0]
    text.fitted = FittedTokens(vectors, {alone: 1.0})
    try:
        samples = _hold_to_the_reference(models, METHOD.replace(updates=updates))
    finally:
        text.fitted = None
    for request, sample in zip(requests, samples, strict=True):
        if updates == "auto" and request.target.members == (alone,):
            assert sample.trace.start_step is not None
            assert not sample.trace.similarity, "WHEN has nothing to decide"
            assert sample.trace.guide_gradients == sample.trace.guide_forwards == 0
    assert any(sample.trace.guide_gradients for sample in samples)


def test_a_batch_of_several_sizes_is_refused(models):
    requests = [replace(exact_requests()[0], size=size) for size in (Size(48, 16), None)]
    with pytest.raises(ValueError, match="of several sizes: 32 x 32, 48 x 16"):
        MuseEngine(*models, METHOD).run(requests)


def _hold_to_the_reference(models, method, slots=2, requests=()):
    """The samples of the engine, which works on two requests at a time; slots 0: on all at once."""
    final, requests = {}, requests or exact_requests()

    def keep(row, latents):
        final[row.number] = latents.clone()

    samples = MuseEngine(*models, method, slots).run(requests, keep)
    for number, request in enumerate(requests):
        expected = muse(*models, method, request)[0]
        assert torch.allclose(final[number], expected, rtol=1e-6, atol=1e-6), number
    return samples
