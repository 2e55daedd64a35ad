"""The table of what fits, counted on the meta device at the size of a test."""

import pytest
import torch
import typer

from jobs.benchmark import memory
from jobs.benchmark.full_size.random_models import build
from muse.diffusion.memory import MemoryNeed

GB = 10**9


def test_a_card_has_the_rows_that_its_level_leaves():
    need = MemoryNeed(10 * GB, 4 * GB, {"high": 6 * GB, "medium": 2 * GB, "low": 2 * GB})
    assert memory.fits(need, 48) == "5, high"
    assert memory.fits(need, 24) == "5, medium"
    assert memory.fits(need, 12) == "2, low"
    assert memory.fits(need, 8) == "no"


@pytest.mark.research
def test_the_count_has_all_weights_once_and_less_with_a_tiny_decoder():
    models = build("tiny", torch.device("meta"), torch.bfloat16)
    counted = memory.count(models)
    assert counted.network == sum(p.nbytes for p in models.backbone.network.parameters())
    assert counted.network + counted.encoders + counted.others == counted.tiny.weights
    assert counted.tiny.reading["high"] < counted.full.reading["high"]
    assert counted.full.reading["medium"] < counted.full.reading["high"]
    assert counted.decoding > 0


@pytest.mark.research
def test_each_model_has_a_line_for_either_decoder_with_its_command(monkeypatch):
    monkeypatch.setitem(memory.MODELS, "tiny", "tiny")
    head, rule, tiny, full = memory.table(["tiny"]).splitlines()
    assert head.count("|") == rule.count("|") == tiny.count("|") == full.count("|")
    assert tiny.startswith("| tiny | tiny |")
    assert full.endswith("`--model tiny` |")


def test_an_unknown_model_is_refused():
    with pytest.raises(typer.BadParameter, match="'sd9' is unknown; choose sd15, sdxl, sd35"):
        memory.main(["sd9"])
