"""The benchmark's plain loop makes the images of the reference, with all rows in every pass."""

import pytest
import torch

from jobs.benchmark.lockstep import lockstep
from muse.reference import muse
from tests.support.exact_models import METHOD, VARIANTS, ExactGuide, exact_models, exact_requests
from tests.support.families import load_family


@pytest.fixture(scope="module")
def models(tokenizer, random_clip):
    with exact_models(tokenizer, random_clip) as models:
        yield models


RESEARCH = pytest.mark.research
"""The engine is held to the reference in all variants by `make test`; this loop only in one."""


@pytest.mark.parametrize(
    "variant",
    ["defaults", *(pytest.param(name, marks=RESEARCH) for name in VARIANTS if name != "defaults")],
)
def test_lockstep_equals_the_reference(models, variant):
    backbone, guide, clip = models
    method = METHOD.replace(**VARIANTS[variant])
    requests = [request for request in exact_requests() if request.image is None]
    widths = []

    class Watched(ExactGuide):
        def probs(self, pixels):
            widths.append(len(pixels))
            return guide.probs(pixels)

    final = lockstep(backbone, Watched(), clip, method, requests)
    assert set(widths) == (set() if variant == "never" else {len(requests)})
    for latents, request in zip(final, requests, strict=True):
        expected = muse(*models, method, request)[0]
        assert torch.allclose(latents, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", ["flux", "z_image"])
def test_families_with_another_guidance_are_refused(family, models, tokenizer):
    with pytest.raises(ValueError, match=r"\w+Transformer2DModel is given its scale, or counts it"):
        lockstep(load_family(family, tokenizer), *models[1:], METHOD, exact_requests())
