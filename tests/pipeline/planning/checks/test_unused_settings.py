"""Settings that have no effect in this combination are named."""

from dataclasses import replace

import pytest

from manifests.schema import Row
from pipeline.config import Config
from pipeline.config_models import ModelSettings
from pipeline.planning.checks.unused_settings import MODEL_SETTINGS, RowUse, unused_settings


def _warnings(*emotions, **settings):
    use = RowUse(Config(**settings))
    for number, of_row in enumerate(emotions):
        use.add(Row(number, "a dog", None, of_row, None, None, None))
    return [*use.warnings]


AWE = ({"awe": 1.0},)


def test_emotions_that_no_row_needs_are_named():
    assert _warnings(AWE, AWE, emotions=("fear",)) == [
        "emotions: no effect, because every row of the manifest names its own"
    ]
    assert _warnings(AWE, (), emotions=("fear",)) == []
    assert _warnings(AWE) == []
    assert _warnings(emotions=("fear",)) == []


def test_settings_of_edits_are_named_where_nothing_is_edited():
    settings = {"min_source_similarity": 0.3, "method": {"strength": 0.5, "steps": 9}}
    assert _warnings(AWE, **settings) == [
        "min_source_similarity, method.strength: no effect, because no row of the manifest has an "
        "image"
    ]
    use = RowUse(Config(**settings))
    row = Row(0, "a dog", "a.png", AWE, None, None, None)
    for one in (row, replace(row, image=None)):
        use.add(one)
    assert [*use.warnings] == []


@pytest.mark.parametrize("settings", [{"resize": "pad"}, {"restore_size": True}])
def test_the_size_of_edits_is_of_no_use_where_nothing_is_edited(settings):
    (name,) = settings
    (warning,) = _warnings(AWE, **settings)
    assert warning == f"{name}: no effect, because no row of the manifest has an image"


def test_each_setting_of_models_is_read_by_the_null_engine_or_named():
    read = {"engine", "allow_same_judge", "taxonomy", "emotions"}
    assert {*ModelSettings.model_fields} - read == {*MODEL_SETTINGS} - {"method"}


@pytest.mark.parametrize(("image_format", "told"), [("jpg", True), ("png", False)])
def test_masks_do_not_go_with_a_lossy_format(image_format, told):
    use = RowUse(Config(image_format=image_format))
    row = Row(0, "a dog", "a.png", AWE, None, None, None, mask="m.png")
    for one in (row, replace(row, mask=None)):
        use.add(one)
    warnings = [*use.warnings]
    assert len(warnings) == told
    assert not told or warnings[0].startswith("image_format = jpg: 1 row(s) have a mask")


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"engine": "null", "guide": "x", "judge": "y"}, "guide, judge: no effect with engine"),
        ({"executor": "local", "workers": 2, "address": "z"}, "workers, address: no effect with"),
        ({"quota_by": "place"}, "quota_by: no effect without a quota"),
    ],
)
def test_what_another_setting_rules_out_is_named(settings, start):
    (warning,) = unused_settings(Config(**settings))
    assert warning.startswith(start)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"engine": "null", "workers": 2},
        {"guide": "x", "executor": "local"},
        {"executor": "local", "gpus_per_worker": 0},
        {"candidates": 2, "quota_by": "place", "quota": 3},
    ],
)
def test_what_has_an_effect_is_not(settings):
    assert list(unused_settings(Config(**settings))) == []
