"""A batch in a worker's hands, without Ray: what throws, and what does not fit."""

import pyarrow as pa
import pytest
import torch

from muse.emotions import MIKELS
from pipeline.config import Config
from pipeline.config_tables import Faults
from pipeline.generation.null_engine import RAISE, NullEngine
from pipeline.generation.samples import BatchMaker
from pipeline.generation.worker import make_robustly, make_task, out_of_memory
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.scheduling.bisection import Task


def _batch(*prompts: str) -> Batch:
    made = (
        PlannedRequest(f"{n:09d}", n, None, p, "", {"awe": 1.0}, None, n, 0, {})
        for n, p in enumerate(prompts)
    )
    return Batch(0, tuple(made))


def _maker(**settings) -> BatchMaker:
    layout = layout_of(record_schema(MIKELS.labels, (), pa.schema([])))
    return BatchMaker(NullEngine(Faults(**settings)), {}, Config(), layout, "")


def test_what_torch_raises_without_memory_is_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(("memory", "piece"), [(0, 0), (7, 0), (4, 4), (3, 2), (1, 1)])
def test_pieces_are_halved_until_they_fit(memory, piece):
    batch = _batch(*"abcdefg")
    results, size = make_robustly(_maker(memory=memory), batch)
    assert size == piece
    assert [result.record["key"] for result in results] == [
        request.key for request in batch.requests
    ]
    whole, _ = make_robustly(_maker(), batch)
    assert [result.image for result in results] == [result.image for result in whole]


def test_a_size_that_did_not_fit_is_not_tried_again():
    """Neither are batches of other sizes split by it: every worker splits a batch the same way."""
    drawn, fitting = [], {}

    class Counting(NullEngine):
        def draw(self, requests):
            drawn.append(len(requests))
            return super().draw(requests)

    maker = _maker(memory=4)
    maker.engine = Counting(Faults(memory=4))
    for prompts, expected in (
        ("abcdefg", [7, 4, 3]),
        ("hijklmn", [4, 3]),
        ("opqrst", [6, 3, 3]),
        ("uvwx", [4]),
    ):
        drawn.clear()
        results, piece = make_robustly(maker, _batch(*prompts), fitting=fitting)
        assert drawn == expected
        assert piece == (max(expected[-2:]) if len(expected) > 1 else 0)
        assert len(results) == len(prompts)


def test_only_the_guilty_fails():
    results, _ = make_robustly(_maker(prompts=True), _batch("a", f"b {RAISE}", "c"))
    assert [result.record["status"] == "failed" for result in results] == [False, True, False]


def test_poison_is_not_touched_and_keeps_its_place():
    task = Task(_batch("a", "b", "c"), poison=frozenset({"000000001"}))
    results, _ = make_task(_maker(), task)
    assert [result.record["reason"] == "killed its worker" for result in results] == [
        False,
        True,
        False,
    ]
    assert [result.record["micro_batch_size"] for result in results] == [2, None, 2]


def test_a_batch_of_nothing_but_poison_needs_no_engine():
    task = Task(_batch("a", "b"), poison=frozenset({"000000000", "000000001"}))
    results, _ = make_task(_maker(), task)
    assert [result.record["status"] for result in results] == ["failed", "failed"]
