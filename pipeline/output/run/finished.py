"""What is finished of a run: committed shards, and batches on disk that no shard holds yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.generation.verdicts import STATUSES, Cells
from pipeline.output.batches import BatchFile, batches_among, read_rows_of, report_of
from pipeline.output.contents import Contents
from pipeline.output.markers import Cursor
from pipeline.output.run.run_file import identity_of
from pipeline.output.sequencer import RequestSummary
from pipeline.output.source_hashes import COLUMNS, SourceHash, SourceHashes, hashes_in
from pipeline.planning.plan import GROUPED_BATCHES
from pipeline.storage.files import Location


@dataclass
class Counts:
    """How requests have ended so far.

    Attributes:
        statuses: requests by status.
        accepted: accepted samples by emotion.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        return self.statuses.total()

    def add(self, statuses: Mapping[str, int], accepted: Mapping[str, int]) -> None:
        self.statuses.update(statuses)
        self.accepted.update(accepted)


@dataclass
class Finished:
    """What is finished of a run.

    Attributes:
        counts: how all finished requests ended.
        files: the batches on disk that no committed shard holds whole.
        summaries: how their requests ended.
        leftovers: batch files that are not needed, or cannot be read.
        sources: what source images hashed to that leftovers were made of. It has to be kept before
            those are removed: made again, they have to be of the same images.
    """

    counts: Counts = field(default_factory=Counts)
    files: dict[int, BatchFile] = field(default_factory=dict)
    summaries: dict[int, Sequence[RequestSummary]] = field(default_factory=dict)
    leftovers: list[BatchFile] = field(default_factory=list)
    sources: list[SourceHash] = field(default_factory=list)


def find_finished(
    output: Location,
    contents: Contents,
    requests: int,
    batch_size: int,
    cells: Cells | None = None,
    sources: SourceHashes | None = None,
    keys_of: Callable[[int], Sequence[str]] | None = None,
) -> Finished:
    """Find what is finished, with no further listing and without reading images.

    Args:
        contents: of the output.
        requests: of the plan.
        batch_size: requests in a batch.
        cells: what a quota counts by.
        sources: takes the hashes of the source images. A batch for which one of them was read that
            has another hash already is not needed: made again, its request fails by name.
        keys_of: the keys of a batch by the plan. By default a batch is taken for what it is if it
            has as many requests as it should have, of those that may be in it.
    """
    finished, markers = Finished(), contents.markers
    for marker in markers:
        statuses = {status: marker.count(status) for status in STATUSES}
        finished.counts.add(statuses, marker.emotions)
    start = markers[-1].next if markers else Cursor()
    candidates: dict[BatchFile, int] = {}
    for file in batches_among(contents.sizes):
        # The last batch of a plan with a limit may have had fewer requests than it has now.
        expected = min(batch_size, requests - file.number * batch_size)
        if file.number >= start.batch and expected > 0:
            candidates[file] = expected
        else:
            finished.leftovers.append(file)
    columns = {"key", "status", "reason", "emotion", "phash", *COLUMNS}
    columns |= {*(cells.columns if cells else ())}
    rows_of = read_rows_of(output, [*candidates], sorted(columns), identity_of(output))
    for (file, expected), rows in zip(candidates.items(), rows_of, strict=True):
        if rows is None:
            finished.leftovers.append(file)
            continue
        # A run has read these images, whether or not it still needs the batch.
        read = hashes_in(rows)
        agreeing = [source for source in read if sources is not None and not sources.add([source])]
        if (
            file.number in finished.files
            or len(rows) != expected
            or not _are_planned([row["key"] for row in rows], file.number, batch_size, keys_of)
            or (sources is not None and len(agreeing) < len(read))
        ):
            finished.leftovers.append(file)
            finished.sources += agreeing
            continue
        finished.files[file.number] = file
        finished.summaries[file.number] = report_of(file, rows, cells).requests
        # The first requests of a batch may be in a shard already.
        published = start.offset if file.number == start.batch else 0
        report = report_of(file, rows[published:], cells)
        finished.counts.add(report.statuses, report.accepted)
    return finished


def _are_planned(
    keys: Sequence[str],
    number: int,
    batch_size: int,
    keys_of: Callable[[int], Sequence[str]] | None,
) -> bool:
    """Whether a batch has the requests that the plan gives it, or without a plan may give it."""
    if keys_of is not None:
        return keys == keys_of(number)
    first = (number - number % GROUPED_BATCHES) * batch_size
    window = range(first, first + GROUPED_BATCHES * batch_size)
    return all(key.isdecimal() and int(key) in window for key in keys)
