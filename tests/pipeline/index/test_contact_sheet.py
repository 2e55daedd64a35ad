"""The contact sheet shows the first accepted samples of each requested emotion."""

import pytest
from PIL import Image

from pipeline.index import contact_sheet
from pipeline.index.contact_sheet import CAPTION, COLUMNS, LABEL, MARGIN
from tests.support.corpora import rows_of
from tests.support.local_runs import run_locally, write_rows

TILE = 128


@pytest.fixture(autouse=True)
def full_size(monkeypatch):
    monkeypatch.setattr(contact_sheet, "TILE", TILE)


def sheet_of(tmp_path, emotions, **settings) -> Image.Image:
    manifest = write_rows(tmp_path / "m.parquet", len(emotions), emotion=emotions)
    run_locally(manifest, tmp_path / "out", **settings)
    return Image.open(tmp_path / "out" / "contact_sheet.png")


def test_it_has_a_row_for_each_requested_emotion_and_a_tile_for_each_sample(tmp_path):
    sheet = sheet_of(tmp_path, ["awe"] * 6 + ["fear"] * 5, min_confidence=0.0)
    assert sheet.height == MARGIN + 2 * (TILE + MARGIN + CAPTION)
    assert sheet.width == LABEL + 6 * (TILE + MARGIN) + MARGIN, "as wide as the longest row"
    tiles = 0
    for row in range(2):
        y = MARGIN + row * (TILE + MARGIN + CAPTION)
        for column in range(6):
            x = sheet.width - (6 - column) * (TILE + MARGIN) - MARGIN
            box = sheet.crop((x, y, x + TILE, y + TILE))
            tiles += len(box.getcolors(TILE * TILE) or []) > 8
    assert tiles == sum(row["status"] == "accepted" for row in rows_of(tmp_path / "out")) == 11


def test_a_row_is_no_longer_than_the_sheet_is_wide(tmp_path):
    sheet = sheet_of(tmp_path, ["awe"] * 12, min_confidence=0.0)
    assert sheet.width == LABEL + COLUMNS * (TILE + MARGIN) + MARGIN


def test_without_accepted_samples_it_has_no_tiles(tmp_path):
    sheet = sheet_of(tmp_path, ["awe"] * 3, min_confidence=1.0)
    tile = sheet.crop((sheet.width - TILE, 0, sheet.width, TILE))
    assert tile.convert("L").getextrema() == (255, 255)


def test_mixtures_have_a_row_of_their_own(tmp_path):
    emotions = [{"awe": 0.5, "fear": 0.5}, {"awe": 1.0, "fear": None}] * 2
    sheet = sheet_of(tmp_path, emotions, min_confidence=0.0)
    assert sheet.height == MARGIN + 2 * (TILE + MARGIN + CAPTION)
