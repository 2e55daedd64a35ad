"""Edits that take no step, and photographs for the embedded model."""

import pytest
from PIL import Image

from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning.checks.edit_warnings import FIRST_SOURCES, FirstSources, step_warnings


def _step_warnings(strength, steps, edits=2, edit_start="inversion", **settings):
    method = {"strength": strength, "steps": steps, "edit_start": edit_start}
    return [*step_warnings(Config(method=method, **settings), edits)]


@pytest.mark.parametrize("edit_start", ["inversion", "noise"])
def test_a_strength_without_a_step_is_warned_of_with_the_smallest_that_makes_one(edit_start):
    (warning,) = _step_warnings(0.1, 4, edit_start=edit_start)
    assert warning.startswith("method.strength = 0.1 leaves no step of method.steps = 4: ")
    assert "2 row(s)" in warning
    smallest = float(warning.rpartition(" ")[2])
    assert _step_warnings(smallest, 4, edit_start=edit_start) == []
    assert len(_step_warnings(smallest - 0.001, 4, edit_start=edit_start)) == 1


def test_too_few_steps_for_any_strength_are_warned_of():
    (warning,) = _step_warnings(1.0, 1)
    assert warning.startswith("method.steps = 1: the edits of 2 row(s) are not made in so few")
    assert _step_warnings(1.0, 1, edit_start="noise") == []


@pytest.mark.parametrize(
    "settings", [{"edits": 0}, {"engine": "null"}, {"model": "owner/name"}, {"steps": 20}]
)
def test_where_no_edit_is_made_or_the_model_is_not_known_nothing_is_said(settings):
    assert _step_warnings(**{"strength": 0.1, "steps": 4} | settings) == []


def _source_warnings(folder, images, **settings):
    sources = FirstSources(str(folder), Config(**settings))
    for number, image in enumerate(images):
        sources.add(Row(number, "a dog", image, (), None, None, None))
    return [*sources.warnings()]


def test_of_the_first_sources_those_of_another_world_are_warned_of(tmp_path):
    Image.new("RGB", (128, 128)).save(tmp_path / "own.png")
    Image.new("RGB", (80, 60)).save(tmp_path / "photo.png")
    (warning,) = _source_warnings(tmp_path, [None, "own.png", "photo.png"])
    assert warning.startswith("1 of the first 2 source image(s) are not of the embedded model's")
    assert _source_warnings(tmp_path, ["own.png"] * FIRST_SOURCES + ["photo.png"]) == []
    assert _source_warnings(tmp_path, ["gone.png", None]) == []
    for settings in ({"engine": "null"}, {"model": "owner/name"}):
        assert _source_warnings(tmp_path, ["photo.png"], **settings) == []


def test_remote_sources_are_not_fetched_and_may_be_photographs(tmp_path):
    (warning,) = _source_warnings(tmp_path, ["https://absent.invalid/a.png"])
    assert warning.startswith("1 of the first 1 source image(s) are remote and may not be of the")
