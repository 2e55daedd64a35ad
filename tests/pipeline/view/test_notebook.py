"""What a notebook displays of a corpus."""

import re

import pytest

from pipeline import run
from tests.support import drive

SETTINGS = {"engine": "null", "executor": "local", "batch_size": 4, "min_confidence": 0.0}
RAILROAD = str(drive.IMAGES / "railroad.png")


def test_a_grid_shows_pictures_and_no_prompt_is_markup(tmp_path):
    rows = [{"prompt": "<script>alert(1)</script>", "emotion": "awe"}] * 9
    corpus = run(rows, tmp_path / "out", **SETTINGS)
    assert repr(corpus.show(4)) == "Grid of 4 samples; a notebook shows the pictures"
    html = corpus.show(4)._repr_html_()
    assert html.count("<img") == 4
    assert "&lt;script&gt;" in html
    assert "<script" not in html + corpus._repr_html_()
    assert re.search(r"Corpus .*: 9 requests, complete", repr(corpus))


@pytest.mark.parametrize("control", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_what_changes_the_direction_of_text_is_shown_by_its_code_point(control, tmp_path):
    rows = [{"prompt": f"a dog{control}gpj.exe", "emotion": "awe"}]
    html = run(rows, tmp_path / "out", **SETTINGS).show()._repr_html_()
    assert control not in html
    assert f"a dog\\u{ord(control):04x}gpj.exe" in html


def test_scripts_that_run_from_right_to_left_stay_as_they_are(tmp_path):
    rows = [{"prompt": "\u0643\u0644\u0628 \u200f!", "emotion": "awe"}]
    html = run(rows, tmp_path / "out", **SETTINGS).show()._repr_html_()
    assert f"<bdi>{rows[0]['prompt']}</bdi>" in html


def test_edits_stand_beside_their_sources_with_their_likeness(tmp_path):
    rows = [{"prompt": "a lion on a railroad", "image": RAILROAD, "emotion": "fear"}]
    corpus = run(rows, tmp_path / "out", **SETTINGS)
    html = corpus.show()._repr_html_()
    assert html.count("<img") == 2
    assert 'alt="source image"' in html
    row = next(iter(corpus)).metadata
    assert f"like its source {row['source_similarity']:.2f}, SSIM {row['source_ssim']:.2f}" in html


def test_samples_without_a_picture_say_so(tmp_path):
    rows = [{"prompt": "a dog", "emotion": "awe"}] * 4
    corpus = run(rows, tmp_path / "out", **{**SETTINGS, "min_confidence": 1.0})
    assert corpus.show()._repr_html_().endswith(">no sample</div>")
    assert corpus.show(status="rejected")._repr_html_().count("no picture") == len(rows)
