"""How many requests fit, without a device: what has no room raises as it does there."""

import pytest
import torch

from muse.sizes import Size
from pipeline.config_tables import Faults
from pipeline.generation import device_memory
from pipeline.generation.device_memory import FittingRequests, out_of_memory
from pipeline.generation.engines.null_engine import NullEngine
from pipeline.planning.plan import PlannedRequest

OWN, LARGE = Size(64, 64), Size(128, 64)

NO_MEMORY = torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(device_memory, "free_memory", lambda: None)


class _Device(NullEngine):
    """An engine with room for so many pixels; it notes what was tried."""

    def __init__(self, pixels, error=NO_MEMORY):
        super().__init__(Faults())
        self.pixels, self.error, self.tried = pixels, error, []

    def try_memory(self, count, size):
        self.tried.append((count, size))
        if count * size.area > self.pixels:
            raise self.error


def _requests(*sizes):
    made = []
    for number, size in enumerate(sizes):
        emotion = {"awe": 1.0}
        made.append(
            PlannedRequest(
                f"{number:09d}", 0, None, "a dog", "", emotion, None, 7, 0, {}, size=size
            )
        )
    return made


def test_what_torch_raises_without_memory_is_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(
    ("rows", "found", "tried"), [(8, 8, [8]), (7, 4, [8, 4]), (2, 2, [8, 4, 2]), (0, 1, [8, 4, 2])]
)
def test_a_whole_batch_is_halved_until_it_fits_and_that_once(rows, found, tried):
    engine = _Device(rows * OWN.area)
    fitting = FittingRequests(engine, 8)
    assert fitting.of_size(OWN) == fitting.of(_requests(None, OWN)) == found
    assert engine.tried == [(count, OWN) for count in tried]


def test_the_largest_request_counts_whatever_batches_came_before():
    batches = {2: _requests(OWN, LARGE, None), 4: _requests(None, OWN)}
    for order in ((2, 4), (4, 2)):
        fitting = FittingRequests(_Device(4 * OWN.area), 8)
        for count in order:
            assert fitting.of(batches[count]) == count


def test_sizes_that_the_model_does_not_make_are_not_tried():
    engine = _Device(4 * OWN.area)
    fitting = FittingRequests(engine, 8)
    assert fitting.of(_requests(Size(1001, 999), OWN)) == 4
    assert fitting.of(_requests(Size(1001, 999))) == 4
    assert {size for _, size in engine.tried} == {OWN}


def test_an_error_of_another_kind_does_not_make_pieces_smaller():
    """The requests that it affects will tell of it."""
    assert FittingRequests(_Device(0, RuntimeError("no such kernel")), 8).of_size(OWN) == 8
