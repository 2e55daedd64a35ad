"""Whether torch compiles the blocks that a network repeats, and for what reason.

Compiled blocks are faster, but each kind of them is compiled for every number of rows and every
size of images, with and without gradients. That takes minutes, which only a long run gains back.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

AUTO, ON, OFF = "auto", "on", "off"

MIN_STEPS = 500_000
"""Denoising steps of a run from which `auto` compiles, as 10,000 images of 50 steps have.

An estimate, not measured: two dozen graphs (two widths of blocks, six numbers of rows, with and
without gradients) of about 10 s each take four minutes of every worker. A GPU spends an hour or
more on so many steps of the smallest models, and a third of that is gained at the speed that
PyTorch publishes for FLUX.1 on an H100 (1.5 times that of eager mode, 9.6 s to compile its blocks;
https://docs.pytorch.org/devlogs/inductor/2026-05-11-torch-compile-and-diffusers/).
"""

LEAST_CAPABILITY = (7, 0)
"""Compute capability of a GPU that the compiler's kernels need."""

COMPILER = "triton"
"""The package that compiles kernels for a GPU."""


@dataclass(frozen=True)
class Workload:
    """What a run has to do.

    Attributes:
        steps: denoising steps of all its images together.
        one_size: whether all of them are of the same size.
    """

    steps: int = 0
    one_size: bool = True


@dataclass(frozen=True)
class Compiling:
    """A decision, and its reason in words."""

    is_on: bool
    because: str

    def __str__(self) -> str:
        return f"{ON if self.is_on else OFF}: {self.because}"


def decide(setting: str, device: str | torch.device, work: Workload) -> Compiling:
    """Whether to compile on a device.

    It depends on the run and the device alone, so that like devices make the same images.

    Args:
        setting: `auto`, `on` or `off`.

    Raises:
        ValueError: `setting` is none of these.
    """
    if setting not in (AUTO, ON, OFF):
        raise ValueError(f"compile is {setting!r}; choose {AUTO}, {ON}, {OFF}")
    if setting != AUTO:
        return Compiling(setting == ON, "as the settings say")
    if why_not := _why_not(str(device), work):
        return Compiling(False, why_not)
    return Compiling(True, f"the run has {work.steps:,} denoising steps")


def is_compiled(setting: str | bool) -> bool:
    """What `on` or `off` says, or True or False, where the work is not known by which to decide.

    Raises:
        ValueError: it is none of these.
    """
    if setting is True or setting == ON:
        return True
    if setting is False or setting == OFF:
        return False
    raise ValueError(f"compile is {setting!r}; give {ON} or {OFF}")


def _why_not(device: str, work: Workload) -> str | None:
    """Why compiling would not gain; None if it would."""
    if not device.startswith("cuda"):
        return f"nothing is compiled on a device of the kind {device.partition(':')[0]}"
    if work.steps < MIN_STEPS:
        return (
            f"the run has {work.steps:,} denoising steps, and compiling pays from {MIN_STEPS:,} on"
        )
    if not work.one_size:
        return "the images may be of many sizes, and each would be compiled by itself"
    if importlib.util.find_spec(COMPILER) is None:
        return f"the package {COMPILER}, which compiles for GPUs, is not installed"
    import torch

    capability = torch.cuda.get_device_capability(torch.device(device))
    if capability < LEAST_CAPABILITY:
        has, needed = (".".join(map(str, pair)) for pair in (capability, LEAST_CAPABILITY))
        return f"the GPU has compute capability {has}, and compiling needs {needed}"
    return None


def checked(compiling: Compiling, network: nn.Module, attempt: Callable[[], None]) -> Compiling:
    """The same decision, or the opposite one if torch cannot compile this network here.

    The network then runs without its compiled blocks.

    Args:
        attempt: evaluates the network, with gradients.
    """
    try:
        attempt()
    except Exception as error:  # compilers raise whatever they come upon
        for module in network.modules():
            module._compiled_call_impl = None
        kind = type(error).__name__
        return Compiling(False, f"torch could not compile this model here ({kind})")
    return compiling
