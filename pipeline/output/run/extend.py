"""A run with a limit, taken up again with a higher one: what was made becomes its first part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from pipeline.corpora.corpus import read_results
from pipeline.corpora.retry import finish_reopening, shard_with_start_of
from pipeline.output import batches
from pipeline.output.markers import Cursor, Marker, read_markers
from pipeline.output.run.run_file import RunFile, write_run
from pipeline.output.source_hashes import hashes_in, keep_hashes
from pipeline.planning.plan import GROUPED_BATCHES
from pipeline.storage.files import Location


def extend(
    output: Location, run: RunFile, described: RunFile, schema: pa.Schema, grouped: bool = False
) -> RunFile:
    """The run in the output, with as many requests as `described` has.

    The last shard was closed because the plan ended, and the last batch may have fewer requests
    than it has now. So that the corpus becomes that of a run without the lower limit, the shard is
    taken apart into its batches, and such a batch is left to be made again. Nothing is removed
    before that is done.

    Args:
        schema: of the records.
        grouped: whether requests are ordered by size (see `plan_batches`): then other batches than
            the last one may have others now, and are made again as well.

    Raises:
        UserError: a file that is to be taken apart is damaged.
    """
    if run.requests == described.requests:
        return run
    markers, size = read_markers(output), run.config["batch_size"]
    # The batches among which requests are ordered, and so change together.
    together = GROUPED_BATCHES if grouped else 1
    first = _first_changed(markers, run, size, together)
    longer = replace(run, requests=described.requests, config=described.config).reopened(first)
    if first is not None:
        partial = run.requests // (size * together) * together
        start = shard_with_start_of(markers, first)
        for number, results in read_results(output, run, start):
            if number >= partial:
                keep_hashes(output, hashes_in(result.record for result in results))
            elif number >= markers[first].first.batch:
                batches.write_batch(output, number, results, schema)
    write_run(output, longer)
    return finish_reopening(output, longer)


def _first_changed(
    markers: Sequence[Marker], run: RunFile, batch_size: int, together: int
) -> int | None:
    """The first shard that is another one in a longer run; None if there is none.

    Args:
        together: batches that change together.
    """
    if not markers:
        return None
    # What is in the last batches that change together, if a shard has any of it.
    changed = (run.requests // (batch_size * together) * together, 0)
    for marker in markers:
        if (marker.next.batch, marker.next.offset) > changed:
            return marker.shard
    # The last shard was closed because the plan ended.
    end = Cursor(-(-run.requests // batch_size), 0)
    return markers[-1].shard if markers[-1].next == end else None
