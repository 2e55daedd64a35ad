"""The files of a shard, made from its batches on any worker, and the marker that describes them."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.generation.results import Result, quota_rejection
from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED
from pipeline.output import batches
from pipeline.output.batches import IMAGE, BatchFile
from pipeline.output.markers import (
    REJECTED_FOLDER,
    Marker,
    file_of,
    relative_name,
    shard_name,
)
from pipeline.output.sample_files import MIXTURE, SampleFormat
from pipeline.output.sequencer import Rejection, ShardSpec
from pipeline.storage.files import Location, write_bytes
from pipeline.storage.stream import FileStream


@dataclass(frozen=True)
class PackTask:
    """A shard to be packed, and the files of its batches in the order of the plan."""

    spec: ShardSpec
    files: Sequence[BatchFile]


@dataclass(frozen=True)
class Packed:
    """What came of packing a shard.

    Attributes:
        marker: of the shard, whose files are all written; None if a batch file is damaged.
        damaged: that batch file.
    """

    shard: int
    marker: Marker | None = None
    damaged: BatchFile | None = None


class _DamagedBatchError(Exception):
    def __init__(self, file: BatchFile):
        super().__init__(file.name)
        self.file = file


@dataclass(frozen=True)
class Packer:
    """Where shards go, and what is the same for all of them.

    Attributes:
        form: how samples are stored.
        keep_rejected: whether near-duplicates keep their images, as other rejected samples do.
    """

    output: Location
    form: SampleFormat
    keep_rejected: bool

    def pack(self, task: PackTask) -> Packed:
        """Read the batches of a shard, check their digests, and write the shard's files."""
        try:
            marker = self.write(task.spec, self._tables(task))
        except _DamagedBatchError as error:
            return Packed(task.spec.number, None, error.file)
        return Packed(task.spec.number, marker)

    def _tables(self, task: PackTask) -> Iterator[pa.Table]:
        """The requests of the shard, one batch in memory at a time."""
        for file in task.files:
            table = batches.read_batch(self.output, file)
            if table is None:
                raise _DamagedBatchError(file)
            yield part_of(table, file.number, task.spec)

    def write(self, spec: ShardSpec, tables: Iterable[pa.Table]) -> Marker:
        """Write the files of a shard; returns the marker that commits them.

        Args:
            tables: the records and images of its requests, in the order of the plan.
        """
        name = shard_name(spec.number)
        tars = {
            ACCEPTED: ShardTar(self.output, f"{name}.tar", self.form),
            REJECTED: ShardTar(self.output, f"{REJECTED_FOLDER}/{name}.tar", self.form),
        }
        statuses, emotions, records = Counter[str](), Counter[str](), list[pa.Table]()
        try:
            for table in tables:
                table = self._with_places(self._with_rejections(table, spec.rejections), tars)
                records.append(_with_schema(table, self.form.layout.schema))
                statuses.update(table["status"].to_pylist())
                for row in table.filter(table[IMAGE].is_valid()).to_pylist():
                    tars[row["status"]].add(row)
                    if row["status"] == ACCEPTED:
                        emotions[row["emotion"] or MIXTURE] += 1
            written = [tar.commit() for tar in tars.values() if tar.has_samples]
            written.append(self._write_records(name, records))
        finally:
            for tar in tars.values():
                tar.discard()
        return Marker(
            shard=spec.number,
            first=spec.first,
            next=spec.next,
            requests=statuses.total(),
            accepted=statuses[ACCEPTED],
            rejected=statuses[REJECTED],
            failed=statuses[FAILED],
            emotions=dict(emotions),
            sha256={file.name: file.sha256 for file in written},
            bytes={file.name: file.size for file in written},
        )

    def _with_rejections(self, table: pa.Table, rejections: Mapping[str, Rejection]) -> pa.Table:
        """The table, with those requests rejected that are rejected in their turn."""
        if rejections.keys().isdisjoint(table["key"].to_pylist()):
            return table
        results = []
        for row in table.to_pylist():
            image, rejection = row.pop(IMAGE), rejections.get(row["key"])
            if rejection is None:
                results.append(Result(row, image))
            elif rejection.is_quota:
                results.append(quota_rejection(row, self.form.layout, rejection.reason))
            else:
                row |= {"status": REJECTED, "reason": rejection.reason}
                results.append(Result(row, image if self.keep_rejected else None))
        return batches.batch_table(results, self.form.layout.schema)

    def _with_places(self, table: pa.Table, tars: Mapping[str, ShardTar]) -> pa.Table:
        """The table with the columns that say which tar holds a sample, and under which name."""
        shards: list[str | None] = []
        names: list[str | None] = []
        has_image = table[IMAGE].is_valid().to_pylist()
        columns = (table["key"].to_pylist(), table["status"].to_pylist(), has_image)
        for key, status, is_stored in zip(*columns, strict=True):
            shards.append(relative_name(tars[status].name) if is_stored else None)
            names.append(self.form.image_name(key) if is_stored else None)
        for column, values in (("shard", shards), ("file", names)):
            position = table.schema.get_field_index(column)
            table = table.set_column(position, column, pa.array(values, pa.string()))
        return table

    def _write_records(self, name: str, records: list[pa.Table]) -> WrittenFile:
        """Write the parquet file of a shard's records."""
        sink = pa.BufferOutputStream()
        # As one chunk, so that the bytes do not depend on where batches end.
        table = pa.concat_tables(records).combine_chunks()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        file = f"{name}.parquet"
        return WrittenFile(file, write_bytes(file_of(self.output, file), data), len(data))


@dataclass(frozen=True)
class WrittenFile:
    """A file of a shard, as its marker names it."""

    name: str
    sha256: str
    size: int


class ShardTar:
    """A tar of samples, written as they come. Without a sample, there is no file."""

    def __init__(self, output: Location, name: str, form: SampleFormat):
        self.name, self.path, self.form = name, file_of(output, name), form
        self.stream: FileStream | None = None
        self.tar: tarfile.TarFile | None = None

    @property
    def has_samples(self) -> bool:
        return self.stream is not None

    def add(self, row: dict[str, Any]) -> None:
        """Add the files of a sample, given its row with the image."""
        if self.tar is None:
            self.stream = FileStream(self.path)
            self.tar = open_tar(self.stream)
        image = row.pop(IMAGE)
        for member, data in self.form.files(row, image):
            add_member(self.tar, member, data)

    def commit(self) -> WrittenFile:
        """Put the file in its place; there has to be a sample."""
        assert self.tar is not None
        assert self.stream is not None
        self.tar.close()
        return WrittenFile(self.name, self.stream.commit(), self.stream.size)

    def discard(self) -> None:
        """Forget what was written, if it was not committed."""
        if self.stream is not None:
            self.stream.discard()


def open_tar(stream: Any) -> tarfile.TarFile:
    """A USTAR archive whose bytes depend on names and contents only, for `add_member`.

    `webdataset.TarWriter` would write members that its readers read as well, but importing it takes
    seconds, it copies every byte once more (tarfile's mode for pipes), and its order of members
    depends on the image format.
    """
    return tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT)


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file without time and owner."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def part_of(table: pa.Table, number: int, spec: ShardSpec) -> pa.Table:
    """The requests of a batch that belong to a shard.

    Args:
        number: of the batch.
    """
    start = spec.first.offset if number == spec.first.batch else 0
    stop = spec.next.offset if number == spec.next.batch else table.num_rows
    return table.slice(start, stop - start)


def _with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of the schema, without what a parquet file notes of them when it is read."""
    return pa.Table.from_arrays([table[name] for name in schema.names], schema=schema)
