"""What every engine promises: an output for each request, in their order, each with its scores."""

import numpy as np
import pytest

from muse.emotions import Target
from muse.sizes import Size
from pipeline.config import Config
from pipeline.generation.engines.engine import EngineInput
from pipeline.generation.engines.load import load_engine
from pipeline.models.locate import locate
from pipeline.planning.plan import PlannedRequest


def request(number: int) -> EngineInput:
    key, emotion = f"{number:09d}", {"fear": 1.0}
    planned = PlannedRequest(key, number, None, "a dog", "", emotion, None, number, 0, {})
    return EngineInput(planned, Target.of("fear"), None)


@pytest.mark.parametrize("name", ["null", "muse"])
def test_an_engine_keeps_the_order_and_scores_what_it_made(name):
    config = Config(engine=name, method={"steps": 2, "max_updates_per_step": 1})
    engine = load_engine(locate(config), config, on_gpu=False)
    outputs = engine.draw([request(n) for n in (5, 3)])
    alone = engine.draw([request(3)])[0]
    assert np.abs(np.asarray(outputs[1].image, int) - np.asarray(alone.image, int)).max() <= 1
    for output in outputs:
        assert Size(*output.image.size) == engine.sizes.own
        for scores in (output.judge, output.guide):
            assert len(scores.probabilities) == 8
            assert 0 <= scores.confidence <= 1
        assert -1 <= output.similarity <= 1
