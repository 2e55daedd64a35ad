"""Levels of content: where they come from, and what is told where there are none."""

import pytest

from muse.classifiers.clip import ClipSimilarity
from muse.guidance.content_levels import UNKNOWN, ContentLevels
from muse.method import Method
from muse.mini import CONTENT_JUDGE, WEIGHTS


def test_levels_are_read_from_beside_the_model(tmp_path):
    steering = ContentLevels(0.75, 0.75, timing_level=0.85)
    assert ClipSimilarity.from_pretrained(WEIGHTS / "clip").levels == steering
    assert ContentLevels.read(tmp_path) == UNKNOWN
    (tmp_path / "similarity.json").write_text('{"content_similarity": 0.25}')
    assert ContentLevels.read(tmp_path) == ContentLevels(0.25)
    judging = ContentLevels.read(WEIGHTS / CONTENT_JUDGE)
    assert (judging.min_similarity, judging.min_source_similarity) == (0.5, 0.5)
    assert not judging.steers


@pytest.mark.parametrize(
    "text",
    [
        '{"content": 0.2}',
        '{"content_similarity": 25}',
        '{"content_similarity": "a"}',
        '{"content_similarity": true}',
        '{"content_similarity": NaN}',
        "[",
        "[0.2, 0.3]",
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_by_name(tmp_path, text):
    (tmp_path / "similarity.json").write_text(text)
    with pytest.raises(ValueError, match=r"similarity\.json may have the keys content_similarity"):
        ContentLevels.read(tmp_path)


def test_a_folder_in_its_place_is_refused_by_name(tmp_path):
    (tmp_path / "similarity.json").mkdir()
    with pytest.raises(ValueError, match=r"similarity\.json may have the keys"):
        ContentLevels.read(tmp_path)


def test_the_method_may_name_either():
    own = Method(content_source_similarity=0.4)
    assert ContentLevels(0.7, 0.6).of(own) == ContentLevels(0.7, 0.4)
    assert UNKNOWN.of(own) == ContentLevels(None, 0.4)
    assert ContentLevels(0.7, None, 0.3).of(own) == ContentLevels(0.7, 0.4, 0.3)


def test_it_is_told_that_content_is_not_looked_at_though_it_is_wanted():
    told = UNKNOWN.warning(Method(), "a/clip")
    assert "the similarity model a/clip" in told
    assert "method.content_similarity" in told
    assert ContentLevels(0.7).warning(Method(), "a/clip") is None
    for quiet in ({"content_weight": 0.0}, {"timing": "never"}, {"content_similarity": 0.2}):
        assert UNKNOWN.warning(Method(**quiet), "a/clip") is None
