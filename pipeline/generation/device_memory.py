"""Too little memory: how it shows, and how many requests fit into a device at a time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable

from muse.sizes import Size
from pipeline.generation.engines.engine import Engine
from pipeline.planning.plan import PlannedRequest


def out_of_memory(error: BaseException) -> bool:
    """Whether the device or the process had no memory left."""
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return True
    # On the CPU, torch has no exception class for this.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def free_memory() -> None:
    """Free what torch caches."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def half(requests: int) -> int:
    """The size of the next smaller pieces, in requests."""
    return -(-requests // 2)


class FittingRequests:
    """Finds out how many requests fit into the memory of the engine's device at a time.

    That depends on the engine, the device and the size of the images alone, never on the batches
    that were made before. So all workers on like devices make a batch in the same pieces.

    Args:
        most: requests of a whole batch.
    """

    def __init__(self, engine: Engine, most: int):
        self.engine, self.most = engine, most
        self.found: dict[Size, int] = {}

    def of(self, requests: Iterable[PlannedRequest]) -> int:
        """How many fit, by the largest of these requests.

        An edit without a planned size counts as one of the model's own, whose area its own size
        does not exceed.
        """
        sizes = self.engine.sizes
        wanted = {request.size or sizes.own for request in requests}
        # A size that the model does not make fails before anything is computed.
        made = [size for size in wanted if not sizes.size_problem(size)] or [sizes.own]
        return self.of_size(max(made, key=lambda size: (size.area, size)))

    def of_size(self, size: Size) -> int:
        """How many requests of this size fit, as halving a whole batch finds it; each size is tried
        once."""
        if size not in self.found:
            count = self.most
            while count > 1 and not self._fits(count, size):
                count = half(count)
            self.found[size] = count
        return self.found[size]

    def _fits(self, count: int, size: Size) -> bool:
        free_memory()
        try:
            self.engine.try_memory(count, size)
        except Exception as error:
            # Anything else will be told of by the requests that it affects.
            return not out_of_memory(error)
        return True
