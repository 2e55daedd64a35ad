"""Bytes of tensors, counted without computing."""

import torch

from muse.diffusion.live_memory import (
    LiveBytes,
    bytes_of,
    decoding_bytes,
    on_meta,
    reading_bytes,
)
from tests.support.families import load_family

FLOATS = 4 * 1000


def test_tensors_count_from_their_making_to_their_end():
    given = torch.zeros(1000, device="meta")
    with LiveBytes((given,)) as live:
        double = given * 2
        assert live.now == FLOATS
        view = double[10:]
        assert live.now == FLOATS, "a view has no bytes of its own"
        triple = double + given[0]
        assert live.now == 2 * FLOATS
        del triple
        assert live.now == FLOATS
        del double, view
    assert (live.now, live.peak) == (0, 2 * FLOATS)


def test_what_autograd_keeps_counts_until_the_gradient():
    leaf = torch.zeros(1000, device="meta", requires_grad=True)
    with LiveBytes((leaf,)) as live:
        # `leaf * 2` is kept for the derivative of sin.
        total = (leaf * 2).sin().sum()
        assert live.now == FLOATS + 4
        (gradient,) = torch.autograd.grad(total, leaf)
        del total
    assert live.now == gradient.nbytes == FLOATS


def test_the_copy_has_shapes_alone_and_the_model_stays(tokenizer):
    backbone = load_family("sdxl", tokenizer)
    before = bytes_of(backbone)
    copied = on_meta(backbone)
    assert {p.device.type for p in copied.network.parameters()} == {"meta"}
    assert {p.device.type for p in backbone.network.parameters()} == {"cpu"}
    assert bytes_of(copied) == bytes_of(backbone) == before > 0


def test_a_reading_takes_more_the_more_rows_it_has(tokenizer, random_guide):
    copied, guide = on_meta(load_family("sd1", tokenizer)), on_meta(random_guide)
    one, three = (reading_bytes(copied, guide, rows) for rows in (1, 3))
    assert 2.5 * one < three < 3.5 * one
    assert reading_bytes(copied, None) < one
    assert 0 < decoding_bytes(copied) < one
