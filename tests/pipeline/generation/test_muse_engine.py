"""The engine of a real run makes what the library makes, and scores the pixels that are stored."""

import numpy as np
import pytest
import torch

from muse.emotions import Target
from muse.engine import MuseEngine
from muse.images import to_tensor
from muse.method import Method
from muse.request import Request
from pipeline.generation.engine import EngineInput
from pipeline.generation.muse_engine import ScoringMuseEngine
from pipeline.planning.plan import PlannedRequest

METHOD = Method(steps=3, max_updates_per_step=1)


def request(number: int, strategy: str = "reseed") -> EngineInput:
    key, emotion = f"{number:09d}", {"awe": 1.0}
    planned = PlannedRequest(key, number, None, "a dog", "", emotion, None, number, 0, {}, strategy)
    return EngineInput(planned, Target.of("awe"), None)


@pytest.fixture
def engine(random_backbone, random_guide, random_clip):
    engines = [MuseEngine(random_backbone, random_guide, random_clip, METHOD) for _ in range(2)]
    return ScoringMuseEngine(*engines, random_guide, random_guide, random_clip, "cpu", 64)


def test_images_are_those_of_the_library_in_the_order_of_the_requests(engine):
    outputs = engine.draw([request(n) for n in range(3)])
    library = engine.engine.run([Request("a dog", Target.of("awe"), n) for n in range(3)])
    for output, sample in zip(outputs, library, strict=True):
        assert np.array_equal(np.asarray(output.image), sample.pixels.numpy())
        assert output.failure == ""


def test_scores_are_those_of_the_rounded_pixels(engine):
    (output,) = engine.draw([request(1)])
    with torch.inference_mode():
        expected = engine.judge.probs(to_tensor(output.image)[None]).p[0].tolist()
    assert output.judge.probabilities == pytest.approx(expected, abs=1e-6)
    assert output.judge.confidence == pytest.approx(expected[Target.of("awe").weights.index(1.0)])
