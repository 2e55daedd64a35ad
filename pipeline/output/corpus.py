"""A finished corpus read again, batch by batch, and a new one packed from such batches."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config, as_dict
from pipeline.errors import UserError
from pipeline.generation.results import Result
from pipeline.output.index import conclude
from pipeline.output.markers import (
    REJECTED_FOLDER,
    Marker,
    file_of,
    read_markers,
    shard_folder,
    shard_name,
)
from pipeline.output.metadata import read_table
from pipeline.output.run_file import RunFile, as_stored, examine_output, read_run, write_run
from pipeline.output.shards import publisher_of
from pipeline.planning.fingerprint import fingerprint
from pipeline.storage.files import Location
from pipeline.storage.lease import Lease

NumberedResults = tuple[int, list[Result]]
"""The number of a batch, and its results in the order of the plan."""


def finished_run(output: Location) -> RunFile:
    """`run.json` of a complete corpus.

    Raises:
        UserError: there is none, or it is not complete.
    """
    run = read_run(output)
    if not run.complete:
        raise UserError(f"{output} is not complete; finish it with the run command that began it")
    return run


def schema_of(output: Location) -> pa.Schema:
    """The schema of the records of a complete corpus."""
    with (output / "metadata.parquet").open("rb") as handle:
        return pq.read_schema(handle).remove_metadata()


def read_results(output: Location, first_shard: int = 0) -> Iterator[NumberedResults]:
    """Every batch of a corpus in plan order, with all images that it still has.

    Args:
        first_shard: where to begin; its first batch may lack the requests of the shards before.
    """
    markers = read_markers(output)
    results = _read_shards(output, markers[first_shard:]) if markers else _read_unsharded(output)
    for number, group in itertools.groupby(results, key=lambda result: result.record["batch"]):
        yield number, list(group)


def _read_shards(output: Location, markers: Sequence[Marker]) -> Iterator[Result]:
    for marker in markers:
        images = _read_images(output, f"{marker.name}.tar")
        images |= _read_images(output, f"{REJECTED_FOLDER}/{marker.name}.tar")
        for row in read_table(shard_folder(output) / f"{marker.name}.parquet").to_pylist():
            yield Result(row, images.get(row["key"]))


def _read_unsharded(output: Location) -> Iterator[Result]:
    """The results of a corpus in which nothing was accepted: it has its metadata, and no shard."""
    images = _read_images(output, f"{REJECTED_FOLDER}/{shard_name(0)}.tar")
    for row in read_table(output / "metadata.parquet").to_pylist():
        yield Result(row, images.get(row["key"]))


def _read_images(output: Location, name: str) -> dict[str, bytes]:
    """The encoded images of a tar by key; none if there is no such tar."""
    path = file_of(output, name)
    if not path.exists():
        return {}
    images: dict[str, bytes] = {}
    with path.open("rb") as handle, tarfile.open(fileobj=handle) as archive:
        for member in archive:
            key, _, suffix = member.name.partition(".")
            if suffix in ("cls", "json", "txt"):
                continue
            file = archive.extractfile(member)
            if file is not None:
                images[key] = file.read()
    return images


def derived_run(run: RunFile, parts: Mapping[str, Any], config: Config, requests: int) -> RunFile:
    """The run file of a corpus made from that of `run`, as it is before anything was packed.

    Args:
        parts: of the new corpus.
    """
    parts = as_stored(parts)
    return replace(
        run.reopened(),
        fingerprint=fingerprint(parts),
        parts=parts,
        config=as_dict(config),
        requests=requests,
    )


def pack(
    output: Location,
    described: RunFile,
    config: Config,
    schema: pa.Schema,
    batches: Iterator[NumberedResults],
) -> Mapping[str, Any]:
    """Pack batches into a corpus; returns its counts. Interrupted, the same call goes on.

    Raises:
        UserError: the output holds something else.
    """
    run = examine_output(output, described)
    if run.counts is not None:
        return run.counts
    with Lease(output):
        write_run(output, run)
        publisher = publisher_of(output, config, schema)
        for number, results in batches:
            if number == publisher.next.batch:
                publisher.take(results)
        return conclude(output, run, schema, publisher.finish())
