"""The data types that fit a device."""

import pytest
import torch

from muse.diffusion.devices import dtype_of, vae_dtype


def test_the_cpu_computes_in_float32():
    assert dtype_of("auto", "cpu") == torch.float32
    assert dtype_of(torch.bfloat16, "cpu") == torch.bfloat16


@pytest.mark.parametrize(("has_bfloat16", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_computes_in_bfloat16_if_it_can(monkeypatch, has_bfloat16, expected):
    """The answers of torch are replaced: no GPU is needed."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    asked = []

    def supported(including_emulation):
        asked.append(including_emulation)
        return has_bfloat16

    monkeypatch.setattr("torch.cuda.is_bf16_supported", supported)
    assert dtype_of("auto", "cuda") == getattr(torch, expected)
    assert dtype_of("float16", "cuda") == torch.float16
    assert asked == [False]


def test_an_unknown_dtype_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'float8'; choose auto, float32, bfloat16, float16"):
        dtype_of("float8", "cpu")


def test_a_vae_that_overflows_stays_in_float32_where_it_would():
    """diffusers takes `force_upcast` for true where a configuration does not have it."""
    half, brain = torch.float16, torch.bfloat16
    assert vae_dtype(half, {"force_upcast": True}) == vae_dtype(half, {}) == torch.float32
    assert vae_dtype(half, {"force_upcast": False}) == half
    assert vae_dtype(brain, {"force_upcast": True}) == brain
