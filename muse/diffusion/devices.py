"""What a device offers to a model: the data type of its weights, and how it is computed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

AUTO = "auto"
"""The dtype that fits the device."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def dtype_of(name: str | torch.dtype, device: str | torch.device) -> torch.dtype:
    """The dtype of a diffusion model's weights: one of `DTYPES`, by its name or as torch has it, or
    what fits the device.

    `auto` is bfloat16 on a GPU that computes in it, else float32. It is never float16, in which
    small gradients of the tokens vanish.

    Raises:
        ValueError: none of these.
    """
    name = str(name).removeprefix("torch.")
    if name == AUTO:
        return torch.bfloat16 if _has_bfloat16(torch.device(device)) else torch.float32
    if name not in DTYPES:
        raise ValueError(f"dtype is {name!r}; choose {', '.join((AUTO, *DTYPES))}")
    return DTYPES[name]


def dtype_name(name: str | torch.dtype, device: str | torch.device) -> str:
    """As `dtype_of`, by its name."""
    return str(dtype_of(name, device)).removeprefix("torch.")


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a device is a GPU that computes in bfloat16 itself, without emulation."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return False
    return torch.cuda.is_bf16_supported(including_emulation=False)


def vae_dtype(dtype: torch.dtype, config: Mapping[str, Any]) -> torch.dtype:
    """The dtype of a VAE of that configuration in a model of `dtype`.

    SDXL's first VAE overflows in float16; its configuration says so by `force_upcast`, which
    diffusers takes for granted where it is absent. bfloat16 has the range of float32 and does not
    overflow.
    """
    overflows = dtype == torch.float16 and config.get("force_upcast", True)
    return torch.float32 if overflows else dtype
