"""The engine equals the reference to rounding, for many requests at once."""

import pytest
import torch

from muse.emotions.probabilities import Probabilities
from muse.engine import MuseEngine
from muse.reference import muse
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


def _hold_to_the_reference(models, method, slots=2):
    """The samples of the engine, which works on two requests at a time; slots 0: on all at once."""
    final = {}

    def keep(row, latents):
        final[row.number] = latents.clone()

    samples = MuseEngine(*models, method, slots).run(exact_requests(), keep)
    for number, request in enumerate(exact_requests()):
        expected = muse(*models, method, request)[0]
        assert torch.allclose(final[number], expected, rtol=1e-6, atol=1e-6), number
    return samples
