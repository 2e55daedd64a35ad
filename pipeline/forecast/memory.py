"""The memory that making images takes, on a GPU or on the host."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

HOST = "host"
"""The device where there is no GPU."""

USABLE = 0.9
"""Share of the memory that a batch may fill."""


@dataclass(frozen=True)
class MemoryUse:
    """Bytes that a batch took.

    Attributes:
        device: name of the GPU; `HOST` without one.
        models: in use before the first batch.
        peak: the most that was in use.
        total: of the device.
        batch_size: images that were made together.
    """

    device: str
    models: int
    peak: int
    total: int
    batch_size: int

    @property
    def fits(self) -> int:
        """The images that fit into `USABLE` of the memory together, each taking as much."""
        each = (self.peak - self.models) / self.batch_size
        return max(0, int((USABLE * self.total - self.models) / max(1.0, each)))

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "fits": self.fits}


class Meter:
    """Reads the memory of this process, on the GPU that torch uses if there is one."""

    def __init__(self, on_gpu: bool):
        self.on_gpu, self.models = on_gpu, 0

    def note_models(self) -> None:
        """Take what is in use at the first call as that of the models."""
        if self.models:
            return
        if not self.on_gpu:
            self.models = _resident()
            return
        import torch

        torch.cuda.reset_peak_memory_stats()
        self.models = torch.cuda.memory_reserved()

    def use(self, batch_size: int) -> MemoryUse:
        """What was used since `note_models`, by batches of that size."""
        if not self.on_gpu:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            return MemoryUse(HOST, self.models, _resident_peak(), total, batch_size)
        import torch

        peak = torch.cuda.max_memory_reserved()
        _, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return MemoryUse(name, self.models, peak, total, batch_size)


def _resident() -> int:
    """Bytes of this process in memory now."""
    return _status("VmRSS")


def _resident_peak() -> int:
    """The most bytes of this process in memory so far.

    Not `getrusage`, whose peak begins at that of the process that started this one.
    """
    return _status("VmHWM")


def _status(field: str) -> int:
    """A field of /proc/self/status, which Linux gives in KiB (proc(5)), in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")
