"""Contact sheets: a row for each emotion, place, subject or style."""

import numpy as np
import pytest
import torch
from PIL import Image

from jobs.world.models import build_vae
from jobs.world.sheet import GAP, MARGIN, NAMES, Kind, lay_out, reconstructions, rows_of


@pytest.mark.parametrize("kind", Kind)
def test_each_row_has_its_own_in_common(kind):
    rows = rows_of(kind, columns=3)
    assert list(rows) == NAMES[kind]
    for name, scenes in rows.items():
        common = [s.emotions[0] if kind is Kind.EMOTION else getattr(s, kind) for s in scenes]
        assert common == [name] * 3
    assert rows_of(kind, columns=3) == rows


def test_pictures_lie_in_rows_right_of_their_names():
    red, blue = (Image.new("RGB", (128, 128), colour) for colour in ("red", "blue"))
    sheet = lay_out({"one": [red, blue], "two": [blue]})
    assert sheet.size == (MARGIN + 2 * (128 + GAP), 2 * (128 + GAP))
    assert sheet.getpixel((MARGIN + 5, 5)) == (255, 0, 0)
    assert sheet.getpixel((MARGIN + 128 + GAP + 5, 5)) == (0, 0, 255)
    assert sheet.getpixel((MARGIN + 5, 128 + GAP + 5)) == (0, 0, 255)


def test_reconstructions_are_those_of_a_checkpoint(tmp_path):
    torch.manual_seed(0)
    torch.save({"vae": build_vae().state_dict()}, tmp_path / "vae.pt")
    (picture,) = reconstructions([Image.new("RGB", (128, 128), "red")], tmp_path / "vae.pt")
    assert picture.size == (128, 128)
    assert np.asarray(picture).std() > 0
