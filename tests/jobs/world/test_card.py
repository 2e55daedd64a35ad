"""The model card is what its figures give."""

import json

import torch

from jobs.world import card
from muse.mini import WEIGHTS


def test_the_card_in_the_repository_is_that_of_its_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "CARD", tmp_path / "README.md")
    card.write_card(json.loads((WEIGHTS.parent / "figures.json").read_text()))
    assert (tmp_path / "README.md").read_text() == (WEIGHTS.parent / "README.md").read_text()


def test_psnr_of_a_tenth_is_twenty_decibels():
    image = torch.rand(2, 3, 8, 8)
    assert abs(card.psnr(image, image + 0.1) - 20) < 1e-4
