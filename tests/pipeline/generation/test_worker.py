"""A batch in a worker's hands, without Ray: what throws, and what does not fit."""

import io
from dataclasses import replace

import pyarrow as pa
import pytest
from PIL import Image

from muse.diffusion.compiling import MIN_STEPS, Workload
from muse.emotions import MIKELS
from pipeline.config import Config
from pipeline.config_tables import Faults
from pipeline.generation import worker
from pipeline.generation.device_memory import FittingRequests
from pipeline.generation.engines.null_engine import RAISE, NullEngine
from pipeline.generation.samples import BatchMaker
from pipeline.generation.worker import BatchWorker, Job, make_robustly, make_task
from pipeline.models.locate import locate
from pipeline.output.batches import read_rows
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.scheduling.bisection import Task

NONE = pa.schema([])
"""No further columns."""


def _batch(*prompts: str) -> Batch:
    made = (
        PlannedRequest(f"{n:09d}", n, None, p, "", {"awe": 1.0}, None, n, 0, {})
        for n, p in enumerate(prompts)
    )
    return Batch(0, tuple(made))


def _maker(**settings) -> BatchMaker:
    layout = layout_of(record_schema(MIKELS.labels, (), NONE))
    return BatchMaker(NullEngine(Faults(**settings)), {}, Config(), layout, "")


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


def test_a_size_that_does_not_fit_is_not_tried_with_a_batch():
    """Every worker splits a batch the same way: as lack of memory would split it."""
    drawn = []

    class Counting(NullEngine):
        def draw(self, requests):
            drawn.append(len(requests))
            return super().draw(requests)

    maker = _maker(memory=4)
    maker.engine = Counting(Faults(memory=4))
    fitting = FittingRequests(maker.engine, 7)
    for prompts, expected in (
        ("abcdefg", [4, 3]),
        ("hijklmn", [4, 3]),
        ("opqrst", [3, 3]),
        ("uvwx", [4]),
    ):
        drawn.clear()
        results, piece = make_task(maker, Task(_batch(*prompts)), fitting)
        assert drawn == expected
        assert piece == (max(expected[-2:]) if len(expected) > 1 else 0)
        assert len(results) == len(prompts)


def _photographs(number: int, *sizes: tuple[int, int]) -> Batch:
    """A batch of edits, whose sizes are known only when they are opened."""
    batch, encoded = _batch(*"abcd"), []
    for size in sizes:
        file = io.BytesIO()
        Image.new("RGB", size, "teal").save(file, "PNG")
        encoded.append(file.getvalue())
    requests = zip(batch.requests, encoded, strict=True)
    return Batch(number, tuple(replace(request, image=image) for request, image in requests))


@pytest.mark.parametrize(
    ("device", "fitting", "together"), [("cpu", 0, [2, 2]), ("a GPU", 2, [2, 1])]
)
def test_a_batch_does_not_depend_on_what_its_worker_made_before(
    tmp_path, monkeypatch, device, fitting, together
):
    """Neither its bytes do, nor the pieces in which it was made."""
    monkeypatch.setattr(worker, "_device", lambda on_gpu: device)
    square, wide = (64, 64), (128, 64)
    batches = [_photographs(0, *[square] * 4), _photographs(1, square, wide, square, wide)]
    config = Config(engine="null", batch_size=4, faults=Faults(memory=3))
    made = []
    for order in ((0, 1), (1, 0)):
        job = Job(tmp_path / str(order), config, {}, record_schema(MIKELS.labels, (), NONE), "")
        one = BatchWorker(job)
        assert one.load_models(on_gpu=True).fitting == fitting
        reports = {number: one.run(Task(batches[number])) for number in order}
        made.append([reports[number].file.digest for number in (0, 1)])
        for number, size in enumerate(together):
            rows = read_rows(job.output, reports[number].file, ["micro_batch_size"])
            assert [row["micro_batch_size"] for row in rows] == [size] * 4
    assert made[0] == made[1]


def test_a_worker_tells_how_it_placed_the_model_and_whether_it_compiled_it(tmp_path):
    config = Config()
    schema = record_schema(MIKELS.labels, (), NONE)
    job = Job(tmp_path, config, locate(config), schema, "", work=Workload(MIN_STEPS))
    ready = BatchWorker(job).load_models(on_gpu=False)
    told = "off: nothing is compiled on a device of the kind cpu"
    assert (ready.memory, ready.dtype, ready.compiling) == ("high", "float32", told)


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
