"""Failed requests of a finished corpus reopened, so that the run command makes them again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pipeline.generation.results import Result
from pipeline.generation.verdicts import FAILED
from pipeline.output import batches
from pipeline.output.corpus import finished_run, read_results, schema_of
from pipeline.output.markers import Marker, file_of, marker_file, read_markers
from pipeline.output.run_file import write_run
from pipeline.storage.files import Location
from pipeline.storage.lease import Lease

ORDER_DEPENDENT = ("near-duplicate of ", "quota: ")
"""Beginnings of the reasons that depend on which earlier samples were accepted."""


@dataclass(frozen=True)
class Reopened:
    """What is to be made again.

    Attributes:
        requests: failed requests.
        batches: batches with such a request, or with one whose rejection depends on it.
    """

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
    near_duplicates = run.config["near_duplicates"] >= 0
    with Lease(output):
        reopened = _restore_batches(output, markers, first or 0, near_duplicates)
        if not reopened.requests:
            return reopened
        write_run(output, run.reopened())
        for marker in reversed(markers[first or 0 :]):
            _remove_shard(output, marker)
    return reopened


def _restore_batches(
    output: Location, markers: list[Marker], first: int, near_duplicates: bool
) -> Reopened:
    """Write the batches from shard `first` on back into files, except those to make again."""
    schema = schema_of(output)
    start = markers[first].first.batch if markers else 0
    failed = remade = 0
    for number, results in read_results(output, _shard_with_start_of(markers, first)):
        if number < start:
            continue
        statuses = Counter(result.record["status"] for result in results)
        failed += statuses[FAILED]
        # Once a failed request is accepted, near-duplicates of it are rejected, and what they had
        # displaced may be accepted: it has to be there as if it had never been rejected.
        displaced = near_duplicates and failed and any(map(_is_displaced, results))
        if statuses[FAILED] or displaced:
            remade += 1
        else:
            batches.write_batch(output, number, results, schema)
    return Reopened(failed, remade)


def _is_displaced(result: Result) -> bool:
    """Whether a sample was rejected because of the samples accepted before it."""
    reason: str = result.record["reason"]
    return reason.startswith(ORDER_DEPENDENT)


def _shard_with_start_of(markers: list[Marker], first: int) -> int:
    """The shard in which the first batch of shard `first` begins: that one, or one before it."""
    start = markers[first].first.batch if markers else 0
    before = (
        marker.shard
        for marker in markers[:first]
        if marker.next.batch == start and marker.next.offset > 0
    )
    return next(before, first)


def _remove_shard(output: Location, marker: Marker) -> None:
    """Remove a shard: its marker first, without which it does not exist."""
    marker_file(output, marker.shard).unlink()
    for name in marker.sha256:
        file_of(output, name).unlink(missing_ok=True)
