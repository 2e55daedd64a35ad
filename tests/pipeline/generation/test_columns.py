"""What the metadata hold of an engine's output."""

import math
from dataclasses import replace

import pytest
from PIL import Image

from muse.emotions import MIKELS, Target
from muse.fitting import fit_image
from muse.request import Trace
from muse.sizes import Size
from pipeline.config import Config
from pipeline.generation.columns import columns_of, invalid_score
from pipeline.generation.engines.engine import EngineInput, EngineOutput, PromptReading, Scores
from pipeline.output.records import Record
from pipeline.planning.plan import PlannedRequest

EVEN = Scores((0.123456789, *[0.1] * 7), 0.6666666)
SIZE = Size(48, 32)
READING = PromptReading(None, 3, 1)


def _request(source=None, mask=None):
    planned = PlannedRequest("000000000", 0, None, "a dog", "", {"awe": 1.0}, None, 0, 0, {})
    return EngineInput(planned, Target.of("awe", MIKELS), source, size=SIZE, mask=mask)


@pytest.fixture
def output():
    image = Image.linear_gradient("L").convert("RGB").resize((48, 32))
    return EngineOutput(image, judge=EVEN, guide=EVEN, similarity=0.2345678, reading=READING)


def test_scores_are_rounded_and_named_by_the_taxonomy(output):
    columns = columns_of(_request(), output, Config())
    assert columns["judge"] == dict(zip(MIKELS.labels, (0.12346, *[0.1] * 7), strict=True))
    assert columns["judge_emotion"] == MIKELS.labels[0]
    assert (columns["guide_confidence"], columns["similarity"]) == (0.66667, 0.23457)
    names = ("prompt_truncated", "negative_prompt_truncated", "prompt_windows")
    assert [columns[name] for name in names] == [None, 3, 1]
    assert {*columns} <= {*Record.__dataclass_fields__}


def test_what_an_edit_kept_of_its_picture_and_what_is_generated_has_not(output):
    source = fit_image(Image.linear_gradient("L").convert("RGB"), SIZE, "crop")
    mask = Image.new("L", (48, 32))
    mask.paste(255, (0, 0, 24, 16))
    edited = replace(output, source_similarity=0.5)
    settings = Config(resize="crop", restore_size=True)
    columns = columns_of(_request(source, mask), edited, settings)
    assert [columns[f"source_{name}"] for name in ("width", "height", "similarity")] == [
        256, 256, 0.5,
    ]  # fmt: skip
    assert columns["mask_share"] == 0.25
    assert 0 < columns["source_ssim"] <= 1
    names = ("width", "height", "made_width", "made_height", "resize", "restored")
    assert [columns[name] for name in names] == [256, 256, 48, 32, "crop", True]
    generated = columns_of(_request(), output, settings)
    assert [generated[name] for name in names] == [48, 32, 48, 32, None, None]
    assert {*columns} - {*generated} == {"mask_share", *_names_of_source(columns)}


def _names_of_source(columns):
    return {name for name in columns if name.startswith("source_")}


def test_an_engine_with_a_model_notes_how_the_image_was_made(output):
    trace = Trace([0.123456], 3, "fear", [1.0], [0.25], 4, 5, 6, 70)
    columns = columns_of(_request(), replace(output, trace=trace), Config())
    assert columns["trace_similarity"] == (0.12346,)
    assert (columns["start_step"], columns["inherent"]) == (3, "fear")
    cost = ("guide_gradients", "guide_forwards", "updates", "nfe")
    assert [columns[name] for name in cost] == [4, 5, 6, 70]
    assert not {*cost} & {*columns_of(_request(), output, Config())}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_named(output, value):
    assert invalid_score(output) == ""
    bad = Scores((0.5, value))
    for changed, name in (({"judge": bad}, "judge"), ({"similarity": value}, "similarity")):
        reason = f"the {name} gave a score that is not a finite number"
        assert invalid_score(replace(output, **changed)) == reason
