"""Shards: what is known of those that are committed, and corpora packed within one process.

A shard is committed in three atomic steps: tar, parquet, marker. Only what has its marker exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.config import Config
from pipeline.generation.results import Result
from pipeline.generation.verdicts import ACCEPTED, Quota, cells_of
from pipeline.output.batches import batch_table, summary_of
from pipeline.output.markers import (
    Cursor,
    Marker,
    read_markers,
    shard_folder,
    write_marker,
)
from pipeline.output.near_duplicates import NearDuplicates
from pipeline.output.packing import Packer, part_of
from pipeline.output.records import from_parquet
from pipeline.output.rows import layout_of
from pipeline.output.run.run_file import identity_of
from pipeline.output.sample_files import SampleFormat
from pipeline.output.sequencer import Sequencer, ShardSpec
from pipeline.storage.files import Location
from pipeline.storage.regular import read_file


def accepted_rows(
    output: Location, markers: Sequence[Marker], columns: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Some columns of every accepted sample of the committed shards, in order."""
    for row in committed_rows(output, markers, ["status", *columns]):
        if row["status"] == ACCEPTED:
            yield row


def committed_rows(
    output: Location, markers: Sequence[Marker], columns: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Some columns of every request of the committed shards, in order."""
    for marker in markers:
        data = read_file(shard_folder(output) / f"{marker.name}.parquet")
        yield from from_parquet(data, [*columns]).to_pylist()


def sequencer_for(
    output: Location, markers: Sequence[Marker], config: Config, schema: pa.Schema
) -> Sequencer:
    """A sequencer that goes on behind the committed shards, and knows what they accepted."""
    quota = near_duplicates = None
    if cells := cells_of(config, layout_of(schema)):
        earlier = (cells.cell(row) for row in accepted_rows(output, markers, cells.columns))
        quota = Quota(config.quota, cells.by, earlier)
    if config.near_duplicates >= 0:
        rows = accepted_rows(output, markers, ["key", "phash"])
        hashes = ((row["key"], row["phash"]) for row in rows)
        near_duplicates = NearDuplicates(config.near_duplicates, hashes)
    start = markers[-1].next if markers else Cursor()
    return Sequencer(config.shard_size, len(markers), start, quota, near_duplicates)


def packer_for(output: Location, config: Config, schema: pa.Schema) -> Packer:
    """A packer of a run's shards."""
    form = SampleFormat(layout_of(schema), config.image_format, config.taxonomy.labels)
    return Packer(output, form, config.keep_rejected)


class Committer:
    """Commits packed shards in their order, whatever the order in which they were packed.

    Each marker holds the digest of the one before it.
    """

    def __init__(self, output: Location, markers: Sequence[Marker]):
        """
        Args:
            markers: of the committed shards.
        """
        self.output = output
        self.next = len(markers)
        self.previous = markers[-1].digest if markers else identity_of(output)
        self.packed: dict[int, Marker] = {}

    def add(self, marker: Marker) -> list[Marker]:
        """Take a shard whose files are written; returns the markers that are committed by that."""
        self.packed[marker.shard] = marker
        committed = []
        while self.next in self.packed:
            linked = replace(self.packed.pop(self.next), previous=self.previous)
            write_marker(self.output, linked)
            self.next, self.previous = self.next + 1, linked.digest
            committed.append(linked)
        return committed


class Publisher:
    """Packs batches that are in memory into shards, within this process; for `corpus.pack`."""

    def __init__(self, output: Location, config: Config, schema: pa.Schema):
        markers = read_markers(output)
        self.sequencer = sequencer_for(output, markers, config, schema)
        self.packer = packer_for(output, config, schema)
        self.committer = Committer(output, markers)
        self.schema, self.cells = schema, cells_of(config, layout_of(schema))
        self.pending: dict[int, pa.Table] = {}

    @property
    def next(self) -> Cursor:
        """Where in the plan the next batch has to begin."""
        return self.sequencer.next

    def take(self, results: Sequence[Result]) -> None:
        """Take the whole batch that is next in order."""
        self.pending[self.next.batch] = batch_table(results, self.schema)
        summaries = [summary_of(result.record, self.cells) for result in results]
        for spec in self.sequencer.take(summaries):
            self._pack(spec)

    def finish(self) -> None:
        """Commit the last shard."""
        if (spec := self.sequencer.finish()) is not None:
            self._pack(spec)

    def _pack(self, spec: ShardSpec) -> None:
        numbers = range(spec.first.batch, spec.next.batch + (spec.next.offset > 0))
        tables = (part_of(self.pending[number], number, spec) for number in numbers)
        self.committer.add(self.packer.write(spec, tables))
        for number in range(spec.first.batch, spec.next.batch):
            del self.pending[number]
