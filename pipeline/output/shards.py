"""From results in plan order to shards: packing, tar bytes, and the commit.

A shard is committed in three atomic steps: tar, parquet, marker. Only what has its marker exists.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muse.emotions import Taxonomy
from pipeline.config import Config
from pipeline.generation.results import Result, blank_row, quota_rejection
from pipeline.generation.verdicts import (
    ACCEPTED,
    FAILED,
    REJECTED,
    NearDuplicates,
    Quota,
    quota_columns,
)
from pipeline.output import batches
from pipeline.output.markers import (
    REJECTED_FOLDER,
    Cursor,
    Marker,
    file_of,
    read_markers,
    shard_folder,
    shard_name,
    write_marker,
)
from pipeline.output.records import from_parquet, to_table
from pipeline.output.rows import layout_of
from pipeline.output.sample_files import MIXTURE, SampleFormat
from pipeline.planning.plan import Batch
from pipeline.storage.files import Location, write_bytes


def accepted_rows(
    output: Location, known: list[Marker], columns: list[str]
) -> Iterator[dict[str, Any]]:
    """Some columns of every accepted sample of the committed shards, in order."""
    for marker in known:
        data = (shard_folder(output) / f"{marker.name}.parquet").read_bytes()
        rows = from_parquet(data, ["status", *columns]).to_pylist()
        yield from (row for row in rows if row["status"] == ACCEPTED)


def tar_bytes(members: list[tuple[str, bytes]]) -> bytes:
    """A USTAR archive that depends on names and contents alone: no times, no owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def publisher_of(output: Location, config: Config, schema: pa.Schema) -> Publisher:
    """The publisher that a run's settings ask for."""
    rules = (config.near_duplicates, config.keep_rejected, config.quota, config.quota_by)
    form = SampleFormat(layout_of(schema), config.image_format, config.taxonomy.labels)
    return Publisher(output, config.shard_size, form, *rules)


class Publisher:
    """Packs finished batches, in plan order, into shards of exactly `size` accepted samples.

    A shard also has the records of the requests between its samples that were not accepted. It
    closes when the first sample beyond it arrives, so that the last shard has the trailing ones.
    Near-duplicates of earlier samples are rejected here, because here the order is fixed.

    Args:
        near: see `near_duplicates` in the config.
        keep: keep the images of the near-duplicates, as those of other rejected samples.
        quota, by: see `quota` and `quota_by` in the config.
    """

    def __init__(
        self,
        output: Location,
        size: int,
        form: SampleFormat,
        near: int = -1,
        keep: bool = False,
        quota: int = 0,
        by: str = "emotion",
    ):
        self.output, self.size, self.form = output, size, form
        self.layout, self.schema = form.layout, form.layout.schema
        self.keep = keep
        known = read_markers(output)
        earlier = accepted_rows(output, known, ["key", "phash"])
        hashes = ((row["key"], row["phash"]) for row in earlier)
        self.seen = NearDuplicates(near, hashes) if near >= 0 else None
        self.quota = None
        if quota:
            cells = accepted_rows(output, known, quota_columns(by, self.layout))
            self.quota = Quota(quota, by, self.layout, cells)
        self.shard = len(known)
        self.start = known[-1].next if known else Cursor()
        self.previous = known[-1].digest if known else ""
        self.next = self.start
        self.pending: list[Result] = []
        self.accepted = 0

    def advance(self) -> None:
        """Take in every batch that is finished and next in order."""
        while (results := batches.read_batch(self.output, self.next.batch)) is not None:
            self.take(results)

    def take(self, results: list[Result]) -> None:
        """Take in the whole batch that is next in order."""
        for offset in range(self.next.offset, len(results)):
            # Samples that come from another corpus have a place there.
            unplaced = {**results[offset].record, "shard": None, "file": None}
            result = self._refused(replace(results[offset], record=unplaced))
            if result.record["status"] == ACCEPTED:
                if self.accepted == self.size:
                    self._commit(Cursor(self.next.batch, offset))
                self.accepted += 1
            self.pending.append(result)
        self.next = Cursor(self.next.batch + 1, 0)

    def all_refused(self, batch: Batch, taxonomy: Taxonomy) -> list[Result]:
        """The rejections of a batch that lies ahead if all its cells are full; else nothing.

        Cells only fill up, so that each request would be rejected in its turn as well.
        """
        if self.quota is None:
            return []
        records = [
            blank_row(request, batch.number, taxonomy, self.layout) for request in batch.requests
        ]
        reasons = [self.quota.reason(record) for record in records]
        return (
            [
                quota_rejection(record, self.layout, reason)
                for record, reason in zip(records, reasons, strict=True)
            ]
            if all(reasons)
            else []
        )

    def _refused(self, result: Result) -> Result:
        """The result, or its refusal because its cell is full or because it is a near-duplicate."""
        record = result.record
        if self.quota and (reason := self.quota.reason(record)):
            return quota_rejection(record, self.layout, reason)
        if record["status"] != ACCEPTED:
            return result
        if self.seen and (reason := self.seen.reason(record["phash"])):
            refusal = {**record, "status": REJECTED, "reason": reason}
            return Result(refusal, result.image if self.keep else None)
        if self.seen:
            self.seen.add(record["key"], record["phash"])
        if self.quota:
            self.quota.add(record)
        return result

    def finish(self) -> list[dict[str, Any]]:
        """Commit what is left; returns the records of a run without a single accepted sample."""
        if self.accepted:
            self._commit(self.next)
        elif self.pending:
            for file, data in self._rejected(shard_name(self.shard)):
                write_bytes(file_of(self.output, file), data)
        return [result.record for result in self.pending]

    def _rejected(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The tar of the rejected samples that have images, if there are any."""
        tar = f"{REJECTED_FOLDER}/{name}.tar"
        members = self._members(REJECTED, tar)
        if members:
            yield tar, tar_bytes(members)

    def _files(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Names (see `file_of`) and contents of the shard's files, without the marker."""
        yield f"{name}.tar", tar_bytes(self._members(ACCEPTED, f"shards/{name}.tar"))
        yield from self._rejected(name)
        sink = pa.BufferOutputStream()
        table = to_table([result.record for result in self.pending], self.schema)
        pq.write_table(table, sink, compression="zstd")
        yield f"{name}.parquet", sink.getvalue().to_pybytes()

    def _members(self, status: str, tar: str) -> list[tuple[str, bytes]]:
        """The files of the pending samples of a status, whose rows learn here where they are."""
        members: list[tuple[str, bytes]] = []
        for number, result in enumerate(self.pending):
            if result.record["status"] != status or result.image is None:
                continue
            place = {"shard": tar, "file": self.form.image_name(result.record["key"])}
            result = replace(result, record={**result.record, **place})
            assert result.image is not None
            members += self.form.files(result.record, result.image)
            self.pending[number] = result
        return members

    def _commit(self, upto: Cursor) -> None:
        name = shard_name(self.shard)
        hashes, sizes = dict[str, str](), dict[str, int]()
        for file, data in self._files(name):
            hashes[file], sizes[file] = write_bytes(file_of(self.output, file), data), len(data)
        records = [result.record for result in self.pending]
        statuses = Counter(record["status"] for record in records)
        accepted = [record for record in records if record["status"] == ACCEPTED]
        emotions = Counter(record["emotion"] or MIXTURE for record in accepted)
        marker = Marker(
            shard=self.shard,
            first=self.start,
            next=upto,
            requests=len(records),
            accepted=statuses[ACCEPTED],
            rejected=statuses[REJECTED],
            failed=statuses[FAILED],
            emotions=dict(emotions),
            sha256=hashes,
            bytes=sizes,
            previous=self.previous,
        )
        write_marker(self.output, marker)
        self.previous = marker.digest
        for number in range(self.start.batch, upto.batch):
            batches.remove_batch(self.output, number)
        self.shard, self.start, self.pending, self.accepted = self.shard + 1, upto, [], 0
