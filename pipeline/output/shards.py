"""From results in plan order to shards: packing, tar bytes, and the commit.

A shard is committed in three atomic steps: tar, parquet, marker. Only what has its marker exists.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.generation.results import Result, blank_row, quota_rejection
from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED, NearDuplicates, Quota
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
from pipeline.output.records import from_parquet, to_json, to_table
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


def sample_members(result: Result, image_format: str) -> Iterator[tuple[str, bytes]]:
    """The files of one sample: class index, metadata, image, prompt."""
    record = result.record
    assert result.image is not None
    yield (
        f"{record['key']}.cls",
        str(record["taxonomy"]["labels"].index(record["emotion"])).encode(),
    )
    yield f"{record['key']}.json", to_json(record)
    yield f"{record['key']}.{image_format}", result.image
    yield f"{record['key']}.txt", record["prompt"].encode()


def publisher_of(output: Location, config: Config, schema: pa.Schema) -> Publisher:
    """The publisher that a run's settings ask for."""
    rules = (config.near_duplicates, config.keep_rejected, config.quota, config.quota_by)
    return Publisher(output, config.shard_size, config.image_format, schema, *rules)


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
        image_format: str,
        schema: pa.Schema,
        near: int = -1,
        keep: bool = False,
        quota: int = 0,
        by: str = "emotion",
    ):
        self.output, self.size, self.image_format, self.schema = output, size, image_format, schema
        self.keep = keep
        known = read_markers(output)
        earlier = accepted_rows(output, known, ["key", "phash"])
        hashes = ((row["key"], row["phash"]) for row in earlier)
        self.seen = NearDuplicates(near, hashes) if near >= 0 else None
        column = "emotion" if by == "emotion" else "manifest"
        self.quota = Quota(quota, by, accepted_rows(output, known, [column])) if quota else None
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
            result = self._refused(results[offset])
            if result.record["status"] == ACCEPTED:
                if self.accepted == self.size:
                    self._commit(Cursor(self.next.batch, offset))
                self.accepted += 1
            self.pending.append(result)
        self.next = Cursor(self.next.batch + 1, 0)

    def all_refused(self, batch: Batch, shared: Mapping[str, Any]) -> list[Result]:
        """The rejections of a batch that lies ahead if all its cells are full; else nothing.

        Cells only fill up, so that each request would be rejected in its turn as well.
        """
        if self.quota is None:
            return []
        records = [blank_row(request, batch.number, shared) for request in batch.requests]
        reasons = [self.quota.reason(record) for record in records]
        return (
            [
                quota_rejection(record, reason)
                for record, reason in zip(records, reasons, strict=True)
            ]
            if all(reasons)
            else []
        )

    def _refused(self, result: Result) -> Result:
        """The result, or its refusal because its cell is full or because it is a near-duplicate."""
        record = result.record
        if self.quota and (reason := self.quota.reason(record)):
            return quota_rejection(record, reason)
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
        kept = [
            result
            for result in self.pending
            if result.record["status"] == REJECTED and result.image is not None
        ]
        if kept:
            members = [
                member for sample in kept for member in sample_members(sample, self.image_format)
            ]
            yield f"{REJECTED_FOLDER}/{name}.tar", tar_bytes(members)

    def _files(self, name: str) -> Iterator[tuple[str, bytes]]:
        """The files of the shard but its marker, in the order in which they are written."""
        samples = [result for result in self.pending if result.record["status"] == ACCEPTED]
        members = [
            member for sample in samples for member in sample_members(sample, self.image_format)
        ]
        yield f"{name}.tar", tar_bytes(members)
        yield from self._rejected(name)
        sink = pa.BufferOutputStream()
        pq.write_table(
            to_table([result.record for result in self.pending], self.schema),
            sink,
            compression="zstd",
        )
        yield f"{name}.parquet", sink.getvalue().to_pybytes()

    def _commit(self, upto: Cursor) -> None:
        name = shard_name(self.shard)
        hashes, sizes = dict[str, str](), dict[str, int]()
        for file, data in self._files(name):
            hashes[file], sizes[file] = write_bytes(file_of(self.output, file), data), len(data)
        records = [result.record for result in self.pending]
        statuses = Counter(record["status"] for record in records)
        emotions = Counter(record["emotion"] for record in records if record["status"] == ACCEPTED)
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
