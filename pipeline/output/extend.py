"""A run with a limit, taken up again with a higher one: what was made becomes its first part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from pipeline.config import AUTO
from pipeline.corpora.corpus import read_results
from pipeline.corpora.retry import finish_reopening, shard_with_start_of
from pipeline.output import batches
from pipeline.output.markers import Cursor, Marker, read_markers
from pipeline.output.run_file import RunFile, write_run
from pipeline.output.source_hashes import hashes_in, keep_hashes
from pipeline.storage.files import Location


def extend(output: Location, run: RunFile, described: RunFile, schema: pa.Schema) -> RunFile:
    """The run in the output, with as many requests as `described` has.

    The last shard was closed because the plan ended, and the last batch may have fewer requests
    than it has now. So that the corpus becomes that of a run without the lower limit, the shard is
    taken apart into its batches, and such a batch is left to be made again. Nothing is removed
    before that is done.

    Args:
        schema: of the records.

    Raises:
        UserError: a file that is to be taken apart is damaged.
    """
    if run.requests == described.requests:
        return run
    markers, size = read_markers(output), run.config["batch_size"]
    first = _first_changed(markers, run, size)
    longer = replace(run, requests=described.requests, config=described.config).reopened(first)
    if first is not None:
        partial = run.requests // size if run.requests % size else None
        start = shard_with_start_of(markers, first)
        for number, results in read_results(output, run, start):
            if number == partial:
                keep_hashes(output, hashes_in(result.record for result in results))
            elif number >= markers[first].first.batch:
                batches.write_batch(output, number, results, schema)
    write_run(output, longer)
    return finish_reopening(output, longer)


def _first_changed(markers: Sequence[Marker], run: RunFile, batch_size: int) -> int | None:
    """The first shard that is another one in a longer run; None if there is none."""
    if not markers:
        return None
    # Retry strategies are chosen before any shard is committed.
    if run.config["retry_strategy"] == AUTO and run.retry_strategy is None:
        return 0
    end = Cursor(-(-run.requests // batch_size), 0)
    if markers[-1].next != end:
        return None
    last_batch = (run.requests // batch_size, 0)
    if not run.requests % batch_size:
        return markers[-1].shard
    holders = (m.shard for m in markers if (m.next.batch, m.next.offset) > last_batch)
    return next(holders)
