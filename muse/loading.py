"""What is checked and told when models are loaded: the device, and which model is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

T = TypeVar("T")


def usable_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; without one, a CUDA GPU if there is one, else the CPU.

    Raises:
        ValueError: torch knows no such device, or it cannot be used here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device is {device!r}; give one as torch names them: 'cpu', 'cuda', 'cuda:1', 'mps'"
        ) from None
    try:
        torch.empty(0, device=found)
    # Torch raises several classes, for the same reasons.
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"device {str(found)!r} cannot be used here ({cause})") from None
    return found


def loaded(role: str, name: str | Path, load: Callable[[str | Path], T]) -> T:
    """What `load` makes of the model of that name.

    Raises:
        ValueError: as `load` raises it, with the role and the name of the model.
    """
    try:
        return load(name)
    except ValueError as error:
        raise ValueError(f"{role} {str(name)!r}: {error}") from error
