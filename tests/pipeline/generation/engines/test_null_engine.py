"""The engine without a model: images and scores from the seed alone."""

import numpy as np
import pytest
from PIL import Image

from muse.emotions import Target
from muse.fitting import FittedImage
from pipeline.config_tables import Faults
from pipeline.generation.engines.engine import EngineInput
from pipeline.generation.engines.null_engine import NAN, RAISE, SIDE, NullEngine
from pipeline.planning.plan import PlannedRequest

WHOLE = (0, 0, SIDE, SIDE)


def planned(number: int = 0, prompt: str = "a dog", seed: int = 7) -> PlannedRequest:
    key, emotion = f"{number:09d}", {"awe": 1.0}
    return PlannedRequest(key, number, None, prompt, "", emotion, None, seed, 0, {})


def request(number: int = 0, image: Image.Image | None = None, **more) -> EngineInput:
    source = None if image is None else FittedImage(image, SIDE, SIDE, WHOLE, WHOLE)
    return EngineInput(planned(number, **more), Target.of("awe"), source)


def pixels(output) -> bytes:
    return output.image.tobytes()


def test_an_image_depends_on_its_request_alone():
    engine = NullEngine(Faults())
    together = engine.draw([request(n) for n in range(3)])
    alone = [engine.draw([request(n)])[0] for n in range(3)]
    assert [pixels(output) for output in together] == [pixels(output) for output in alone]
    assert [output.judge for output in together] == [output.judge for output in alone]
    assert len({pixels(output) for output in together}) == 3
    assert together[0].image.size == (SIDE, SIDE)


def test_probabilities_sum_to_one_and_confidence_is_that_of_the_target():
    (output,) = NullEngine(Faults()).draw([request()])
    assert sum(output.judge.probabilities) == pytest.approx(1)
    assert output.judge.confidence == Target.of("awe").confidence(output.judge.probabilities)


def test_an_edit_shows_its_source_image():
    white = Image.new("RGB", (SIDE, SIDE), "white")
    generated, edited = (
        NullEngine(Faults()).draw([request(image=image)])[0] for image in (None, white)
    )
    expected = Image.blend(white, generated.image, 0.5)
    assert np.array_equal(np.asarray(edited.image), np.asarray(expected))


def test_injected_failures_have_about_their_share():
    outputs = NullEngine(Faults(failures=0.3)).draw([request(n) for n in range(200)])
    failed = [output for output in outputs if output.image is None]
    assert all(output.failure for output in failed)
    assert 30 < len(failed) < 90


def test_more_requests_than_fit_raise_a_memory_error():
    engine = NullEngine(Faults(memory=2))
    assert len(engine.draw([request(n) for n in range(2)])) == 2
    with pytest.raises(MemoryError):
        engine.draw([request(n) for n in range(3)])


def test_prompts_make_faults_only_if_allowed():
    raising, nan = request(prompt=f"a dog {RAISE}"), request(prompt=f"a dog {NAN}")
    assert NullEngine(Faults()).draw([raising, nan])[1].judge.confidence >= 0
    with pytest.raises(RuntimeError, match="as the prompt asks"):
        NullEngine(Faults(prompts=True)).draw([raising])
    (output,) = NullEngine(Faults(prompts=True)).draw([nan])
    assert np.isnan(output.judge.probabilities).all()
