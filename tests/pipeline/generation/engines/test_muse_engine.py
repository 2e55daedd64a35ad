"""The engine of a real run: the scores that it stores are those of the stored pixels."""

import pytest
import torch
from PIL import Image

from muse.classifiers.clip import similarity
from muse.emotions import Target
from muse.fitting import FittedImage
from muse.guidance.tokens import word_ids
from muse.images import to_tensor
from muse.method import Method
from pipeline.config import Config
from pipeline.generation.engines.engine import EngineInput, PromptReading
from pipeline.generation.engines.load import load_engine
from pipeline.models.locate import locate
from pipeline.planning.plan import PlannedRequest

LONG = "a dog in a forest " * 40


@pytest.fixture(scope="module")
def engine():
    config = Config(method=Method(steps=4, max_updates_per_step=1))
    return load_engine(locate(config), config, on_gpu=False)


def _request(number, prompt, source=None, candidate=0, negative=""):
    emotion = {"awe": 1.0}
    planned = PlannedRequest(
        f"{number:09d}", 0, None, prompt, negative, emotion, None, 7, candidate, {}
    )
    return EngineInput(planned, Target.of(emotion), source)


@pytest.fixture(scope="module")
def outputs(engine):
    photograph = Image.radial_gradient("L").convert("RGB").resize((128, 128))
    source = FittedImage(photograph, 300, 200, (50, 0, 250, 200), (0, 0, 128, 128))
    requests = [_request(0, LONG), _request(1, "a boat by a pond", source)]
    return requests, engine.draw(requests)


def test_an_edit_is_compared_with_its_source_image_and_a_generation_with_none(engine, outputs):
    (_, request), (generated, edited) = outputs
    assert generated.source_similarity is None
    pixels = torch.stack([to_tensor(image) for image in (edited.image, request.image)])
    made, source = engine.content_judge.image(pixels)
    expected = float(similarity(made[None], source[None])[0])
    assert edited.source_similarity == pytest.approx(expected, abs=1e-5)
    assert -1 <= expected < 0.9999


def test_a_prompt_that_is_too_long_is_counted_in_tokens(engine, outputs):
    generated, edited = outputs[1]
    assert (edited.reading.truncated, edited.reading.negative_truncated) == (0, 0)
    setup = engine.engine.setup
    (tokenizer,) = setup.backbone.text.tokenizers
    suffix = word_ids(tokenizer, setup.method.prompt_suffix)
    room = tokenizer.model_max_length - 2 - len(suffix) - setup.method.tokens
    assert generated.reading.truncated == len(word_ids(tokenizer, LONG)) - room > 0


@pytest.mark.parametrize(
    ("guidance", "lost_of_negative"), [({"guidance_scale": 1.0}, None), ({}, 4)]
)
def test_without_emotional_tokens_prompts_have_their_room(guidance, lost_of_negative):
    config = Config(method=Method(steps=1, timing="never", **guidance))
    engine = load_engine(locate(config), config, on_gpu=False)
    room = engine.engine.setup.backbone.text.tokenizers[0].model_max_length - 2
    prompts = "dog " * (room + 3), "cat " * (room + 4)
    (made,) = engine.draw([_request(0, prompts[0], negative=prompts[1])])
    assert made.reading == PromptReading(3, lost_of_negative, 1)
    (made,) = engine.draw([_request(0, prompts[0], negative=None)])
    assert made.reading == PromptReading(3, None, 1)


def test_a_prompt_that_is_read_in_windows_loses_nothing(outputs):
    assert outputs[1][0].reading.windows == outputs[1][1].reading.windows == 1
    method = Method(steps=1, timing="never", long_prompts="chunk")
    config = Config(method=method)
    engine = load_engine(locate(config), config, on_gpu=False)
    for prompts in ({"prompt": LONG}, {"prompt": "a dog", "negative": LONG}):
        (made,) = engine.draw([_request(0, **prompts)])
        assert (made.reading.truncated, made.reading.negative_truncated) == (0, 0)
        assert made.reading.windows > 1


def test_scores_are_those_of_the_stored_pixels(engine, outputs):
    for output in outputs[1]:
        with torch.inference_mode():
            (probabilities,) = engine.judge.probs(to_tensor(output.image)[None]).p.tolist()
        assert output.judge.probabilities == pytest.approx(probabilities, abs=1e-5)
        assert output.trace.nfe > 0
