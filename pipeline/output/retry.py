"""Failed requests of a finished corpus reopened, so that the run command makes them again."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.generation.samples import Result
from pipeline.generation.verdicts import FAILED
from pipeline.output import batches
from pipeline.output.corpus import finished_run, read_results, schema_of
from pipeline.output.markers import Marker, file_of, marker_file, read_markers
from pipeline.output.run_file import write_run
from pipeline.storage.files import Location
from pipeline.storage.lease import Lease


@dataclass(frozen=True)
class Reopened:
    """How many failed requests were reopened, and in how many batches they lie."""

    requests: int = 0
    batches: int = 0


def reopen(output: Location) -> Reopened:
    """Turn a complete corpus into a run that lacks the batches with failed requests.

    A batch is the unit of determinism: its other requests are computed again with the failed one,
    to the same bytes. All that lies in the shards from the first such batch on goes back into
    batch files before a shard is removed, so that nothing is lost whenever this is interrupted.

    Raises:
        UserError: not a complete corpus.
    """
    run = finished_run(output)
    markers = read_markers(output)
    first = next((marker.shard for marker in markers if marker.failed), None)
    if markers and first is None:
        return Reopened()
    with Lease(output):
        reopened = _restore_batches(output, markers, first or 0)
        if not reopened.requests:
            return reopened
        write_run(output, run.reopened())
        for marker in reversed(markers[first or 0 :]):
            _remove_shard(output, marker)
    return reopened


def _restore_batches(output: Location, markers: list[Marker], first: int) -> Reopened:
    """Write the batches from shard `first` on back into files, except those with failures."""
    schema = schema_of(output)
    start = markers[first].first.batch if markers else 0
    requests = reopened = 0
    for number, results in read_results(output, _shard_with_start_of(markers, first)):
        if number < start:
            continue
        if failed := _count_failed(results):
            requests, reopened = requests + failed, reopened + 1
        else:
            batches.write_batch(output, number, results, schema)
    return Reopened(requests, reopened)


def _shard_with_start_of(markers: list[Marker], first: int) -> int:
    """The shard in which the first batch of shard `first` begins: that one, or one before it."""
    start = markers[first].first.batch if markers else 0
    before = (
        marker.shard
        for marker in markers[:first]
        if marker.next.batch == start and marker.next.offset > 0
    )
    return next(before, first)


def _count_failed(results: list[Result]) -> int:
    return sum(result.record["status"] == FAILED for result in results)


def _remove_shard(output: Location, marker: Marker) -> None:
    """Remove a shard: its marker first, without which it does not exist."""
    marker_file(output, marker.shard).unlink()
    for name in marker.sha256:
        file_of(output, name).unlink(missing_ok=True)
