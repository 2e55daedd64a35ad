"""What is given up for memory changes no image; what fits is computed from sizes alone."""

import pytest
import torch

from muse.diffusion import memory
from muse.diffusion.memory import MemoryNeed, Room, apply, choose, fit, need_of
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.request import Request
from muse.sizes import Size
from tests.support.families import FAMILIES, load_family

GIB = 1 << 30
NEED = MemoryNeed(10 * GIB, 4 * GIB, {"high": 6 * GIB, "medium": 2 * GIB, "low": 2 * GIB})
QUICK = Method(
    steps=3, max_updates_per_step=2, timing="fixed", timing_level=0.0, guidance_end=1.0, tokens=2
)


@pytest.mark.parametrize(
    ("rows", "gib", "level"),
    [
        pytest.param(8, 80, "high", id="all fit"),
        pytest.param(64, 40, "high", id="enough rows fit"),
        pytest.param(1, 18, "high", id="one is all that is asked for"),
        pytest.param(8, 24, "medium", id="enough rows fit with less"),
        pytest.param(8, 16, "low", id="an encoder has to go"),
        pytest.param(8, 15, "low", id="the most fit without an encoder"),
        pytest.param(8, 5, "low", id="nothing fits"),
    ],
)
def test_the_level_follows_from_sizes(rows, gib, level):
    assert choose(NEED, rows, gib * GIB) == level


def test_a_level_that_gains_nothing_is_not_taken():
    """Without an encoder to move, `low` is `medium`."""
    need = MemoryNeed(10 * GIB, 0, NEED.reading)
    assert choose(need, 8, 15 * GIB) == "medium"


def test_the_rows_that_fit_are_computed():
    """0.9 of the device, without the weights: 17.6 GiB of 24 under `low`, each row taking 2."""
    assert NEED.rows("high", 24 * GIB) == 1
    assert NEED.rows("medium", 24 * GIB) == 5
    assert NEED.rows("low", 24 * GIB) == 7
    assert NEED.rows("high", 8 * GIB) == 0


@pytest.mark.parametrize(
    "family",
    [
        "sd3",
        *(pytest.param(name, marks=pytest.mark.research) for name in FAMILIES if name != "sd3"),
    ],
)
def test_no_level_changes_an_image(tokenizer, family, random_guide, random_clip):
    """Bit by bit: the same kernels compute the same, some of them twice."""
    small, targets = Size(32, 32), [Target.of(name) for name in ("awe", "fear")]
    requests = [Request("a dog in a forest", target, 1, size=small) for target in targets]
    made = {}
    for level in memory.LEVELS:
        torch.manual_seed(0)
        backbone = load_family(family, tokenizer)
        apply(backbone, level)
        assert backbone.network.is_gradient_checkpointing == (level != "high")
        made[level] = MuseEngine(backbone, random_guide, random_clip, QUICK).run(requests)
    for level in ("medium", "low"):
        for ours, theirs in zip(made[level], made["high"], strict=True):
            assert ours.trace.updates
            assert ours.trace.loss == theirs.trace.loss
            assert torch.equal(ours.pixels, theirs.pixels)


def test_the_need_of_a_model_falls_with_its_level(tokenizer, random_guide):
    """Counted without a device; the model itself is as before."""
    backbone = load_family("sd3", tokenizer)
    need = need_of(backbone, Room(guide=random_guide, beside=1000))
    assert need.reading["high"] > need.reading["medium"] == need.reading["low"] > 0
    t5 = sum(weight.nbytes for weight in backbone.text.t5.parameters())
    assert need.movable >= t5
    assert need.weights > need.movable + 1000
    assert not backbone.network.is_gradient_checkpointing
    assert {weight.device.type for weight in backbone.network.parameters()} == {"cpu"}


def test_on_a_cpu_nothing_is_given_up_unless_asked(tokenizer):
    backbone = load_family("sd3", tokenizer)
    assert fit(backbone, torch.device("cpu"), Room()) == "high"
    assert fit(backbone, torch.device("cpu"), Room("low")) == "low"
    assert backbone.text.off_device == ("t5",)


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="memory is 'tiny'; choose auto, high, medium, low"):
        Room("tiny")
