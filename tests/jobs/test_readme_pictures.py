"""The README's pictures, from a small corpus of the null engine."""

import pytest
from PIL import Image

from jobs.readme_pictures import CAPTION, GAP, SIDE, main
from pipeline import run


def test_a_row_has_the_source_and_then_an_edit_for_each_emotion(tmp_path):
    Image.new("RGB", (80, 64), (200, 30, 60)).save(tmp_path / "a.png")
    rows = [
        {"prompt": f"a cat {n}", "image": tmp_path / "a.png", "emotion": emotion}
        for n, emotion in enumerate(["awe", "fear"])
    ]
    rows.append({"prompt": "a dog", "emotion": "awe"})
    settings = {"engine": "null", "executor": "local", "min_confidence": 0.0}
    run(rows, tmp_path / "out", **settings)
    main(tmp_path / "out", tmp_path / "images")
    strip = Image.open(tmp_path / "images" / "edits.webp")
    assert strip.size == (3 * (SIDE + GAP) - GAP, 2 * (SIDE + CAPTION + GAP) - GAP)
    assert strip.getpixel((60, 60)) == pytest.approx((200, 30, 60), abs=6)
    sheet = Image.open(tmp_path / "images" / "contact_sheet.webp")
    whole = Image.open(tmp_path / "out" / "contact_sheet.png")
    assert sheet.size == whole.size
