"""The cases that an evaluation draws."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from jobs.evaluation.cases import (
    CONTENTS,
    REPORTED_CONTENTS,
    TUNING_CONTENTS,
    draw_cases,
    draw_mixtures,
    manifest_cases,
    mixed_scenes,
    scenes_of,
)
from manifests.check import ManifestError
from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS


def test_emotions_come_in_turn_and_the_draw_repeats():
    cases = draw_cases(16, 3, editing=False)
    assert [case.emotion for case in cases] == [*MIKELS.labels] * 2
    assert draw_cases(16, 3, editing=False) == cases


def test_every_pair_of_emotions_comes_before_any_comes_twice():
    pairs = [(case.emotion, case.second) for case in draw_mixtures(40, 1)]
    assert len({*pairs[:28]}) == 28
    assert len({*pairs}) == 28


def test_settings_are_chosen_on_contents_that_no_figure_is_of():
    assert not TUNING_CONTENTS & REPORTED_CONTENTS
    assert TUNING_CONTENTS | REPORTED_CONTENTS == CONTENTS
    for contents in (TUNING_CONTENTS, REPORTED_CONTENTS):
        assert {place for place, _ in contents} == set(PLACES)
        assert {subject for _, subject in contents} == set(SUBJECTS)
    for case in draw_cases(8, 3, False, TUNING_CONTENTS):
        assert (case.place, case.subject) in TUNING_CONTENTS


def test_the_rows_of_a_manifest_are_cases(tmp_path):
    Image.new("RGB", (128, 128)).save(tmp_path / "a.png")
    rows = {"prompt": ["a dog on a beach"] * 2, "emotion": ["awe", "fear"], "seed": [3, 4]}
    pq.write_table(pa.table({**rows, "image": [None, "a.png"]}), tmp_path / "m.parquet")
    cases = manifest_cases(str(tmp_path / "m.parquet"))
    (made,), (edit,) = cases["generation"], cases["editing"]
    assert (made.place, made.subject, made.emotion) == ("beach", "dog", "awe")
    assert made.source is None
    assert edit.emotion == "fear"
    assert edit.source.shape == (3, 128, 128)


def test_rows_that_are_no_cases_are_all_named(tmp_path):
    mixture = pa.map_(pa.string(), pa.float64())
    columns = {
        "prompt": ["a zebra on the moon", "a dog on a beach", "a dog on a beach"],
        "emotion": pa.array([{"awe": 1.0}, {"awe": 0.6, "fear": 0.4}, {"awe": 1.0}], mixture),
        "image": [None, None, "nope.png"],
    }
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(ManifestError) as refused:
        manifest_cases(str(tmp_path / "m.parquet"))
    first, second, third = refused.value.problems
    assert str(first).startswith("row 0, column 'prompt': 'a zebra on the moon' is none; only the")
    assert str(second) == "row 1, column 'emotion': is a mixture; give one emotion a row"
    assert str(third).startswith("row 2, column 'image': image 'nope.png' does not exist")


def test_every_case_has_a_scene_and_a_mixture_one_of_both_emotions():
    for cases in (draw_cases(2, 3, editing=False), draw_mixtures(2, 3)):
        scenes = scenes_of(cases)
        assert scenes.shape == (2, 3, 128, 128)
        assert scenes.min() >= 0
        assert scenes.max() <= 1


def test_the_scenes_of_mixtures_have_their_contents_and_repeat():
    cases = draw_mixtures(2, 3)
    scenes = mixed_scenes(cases, 5)
    assert scenes.shape == (2, 3, 128, 128)
    assert torch.equal(scenes, mixed_scenes(cases, 5))
    assert not torch.equal(scenes, mixed_scenes(cases[::-1], 5))
