"""Failed requests of a finished corpus reopened, so that the run command makes them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.corpora.corpus import finished_run, read_results, schema_of
from pipeline.corpora.sources import reading
from pipeline.errors import UserError
from pipeline.generation.results import Result
from pipeline.generation.verdicts import FAILED
from pipeline.output import batches
from pipeline.output.integrity import refuse_damage
from pipeline.output.markers import Marker, file_of, marker_file, read_markers
from pipeline.output.run.run_file import RunFile, write_run
from pipeline.output.source_hashes import SourceHash, hashes_in, keep_hashes
from pipeline.storage.files import Location, clear_temporaries
from pipeline.storage.lease import Lease

DERIVED_BY = {"merged": "merge", "refiltered": "refilter"}
"""Commands that make corpora from corpora, by the part that they add to the fingerprint."""

ORDER_DEPENDENT = ("near-duplicate of ", "quota: ")
"""Beginnings of the reasons that depend on which earlier samples were accepted."""

HASHES_IN_A_FILE = 100_000
"""Hashes of source images that are gathered before they are written."""


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
    to the same bytes. All that is in the shards from the first such batch on goes back into
    batch files before a shard is removed, so that nothing is lost whenever this is interrupted.

    Raises:
        UserError: not a complete corpus, one made from other corpora, or a damaged one.
    """
    with reading(output):
        run = finished_run(output)
        _refuse_derived(output, run)
        refuse_damage(output, run)
    markers = read_markers(output)
    first = next((marker.shard for marker in markers if marker.failed), None)
    if markers and first is None:
        return Reopened()
    first = first or 0
    start = shard_with_start_of(markers, first)
    with Lease(output):
        clear_temporaries(output)
        reopened = _restore_batches(output, run, start, markers[first:])
        if not reopened.requests:
            return reopened
        run = run.reopened(first)
        write_run(output, run)
        finish_reopening(output, run)
    return reopened


def finish_reopening(output: Location, run: RunFile) -> RunFile:
    """Remove the shards of a run that was reopened, as far as a killed retry has not done so.

    Until that is done their failed requests count as finished.

    Returns:
        The run as `run.json` has it now.
    """
    if run.reopened_from is None:
        return run
    for marker in reversed(read_markers(output)[run.reopened_from :]):
        _remove_shard(output, marker)
    run = replace(run, reopened_from=None)
    write_run(output, run)
    return run


def _refuse_derived(output: Location, run: RunFile) -> None:
    """Refuse a corpus that no run can make again: what is removed of it would be lost."""
    command = DERIVED_BY.get(next(iter(run.parts.keys() & DERIVED_BY.keys()), ""))
    if command is not None:
        raise UserError(
            f"{output} was made by {command}, not by a run, so that its requests cannot be made "
            f"again; retry the corpus that it came from, then {command} again"
        )


def _restore_batches(
    output: Location, run: RunFile, start: int, reopened: Sequence[Marker]
) -> Reopened:
    """Write the batches of shards back into files, except those to make again.

    Args:
        start: the shard in which the first of these batches begins.
        reopened: the markers of the shards.
    """
    schema = schema_of(output, run)
    first_batch = reopened[0].first.batch if reopened else 0
    near_duplicates = run.config["near_duplicates"] >= 0
    failed = remade = 0
    sources: list[SourceHash] = []
    for number, results in read_results(output, run, start):
        if number < first_batch:
            continue
        statuses = Counter(result.record["status"] for result in results)
        failed += statuses[FAILED]
        # Once a failed request is accepted, near-duplicates of it are rejected, and what they had
        # displaced may be accepted: it has to be there as if it had never been rejected.
        displaced = near_duplicates and failed and any(map(_is_displaced, results))
        if statuses[FAILED] or displaced:
            remade += 1
            sources += hashes_in(result.record for result in results)
        else:
            batches.write_batch(output, number, results, schema)
        if len(sources) >= HASHES_IN_A_FILE:
            keep_hashes(output, sources)
            sources.clear()
    keep_hashes(output, sources)
    return Reopened(failed, remade)


def _is_displaced(result: Result) -> bool:
    """Whether a sample was rejected because of the samples accepted before it."""
    return (result.record["reason"] or "").startswith(ORDER_DEPENDENT)


def shard_with_start_of(markers: list[Marker], first: int) -> int:
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
