"""A finished corpus read again, batch by batch, and a new one packed from such batches."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any

import pyarrow as pa

from pipeline.config import Config, as_dict
from pipeline.errors import UserError
from pipeline.generation.results import Result
from pipeline.index.build import clear_leftovers, conclude
from pipeline.index.metadata import METADATA_FILE, open_metadata
from pipeline.output.integrity import (
    PARQUET,
    TAR,
    open_committed,
    refuse_damage,
    refuse_damaged_shards,
)
from pipeline.output.markers import (
    Marker,
    read_markers,
    relative_name,
)
from pipeline.output.records import open_parquet
from pipeline.output.run.examine import examine_output
from pipeline.output.run.run_file import RunFile, as_stored, read_run, write_run
from pipeline.output.shards import Publisher
from pipeline.planning.fingerprint import fingerprint
from pipeline.storage.files import Location, clear_temporaries
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


def schema_of(output: Location, run: RunFile) -> pa.Schema:
    """The schema of the records of a complete corpus."""
    with open_metadata(output, (run.files or {})[METADATA_FILE]) as metadata:
        return metadata.schema_arrow.remove_metadata()


def read_results(output: Location, run: RunFile, first_shard: int = 0) -> Iterator[NumberedResults]:
    """Every batch of a complete corpus in plan order, with all images that it still has.

    Every file is compared with its committed hash as it is read.

    Args:
        first_shard: where to begin; its first batch may lack the requests of the shards before.

    Raises:
        UserError: a file is damaged.
    """
    results = _read_shards(output, read_markers(output)[first_shard:])
    for number, group in itertools.groupby(results, key=lambda result: result.record["batch"]):
        yield number, list(group)


def _read_shards(output: Location, markers: Sequence[Marker]) -> Iterator[Result]:
    for marker in markers:
        images: dict[str, bytes] = {}
        rows: list[dict[str, Any]] = []
        for name, sha256 in marker.sha256.items():
            with open_committed(output, relative_name(name), sha256) as file:
                if name.endswith(".parquet"):
                    rows = open_parquet(file).read(use_threads=False).to_pylist()
                else:
                    images |= _images_in(file)
        for row in rows:
            yield Result(row, images.get(row["key"]))


def _images_in(tar: IO[bytes]) -> dict[str, bytes]:
    """The encoded images of a tar by key.

    webdataset would read the other members of each sample, too, and takes seconds to import.
    """
    images: dict[str, bytes] = {}
    with tarfile.open(fileobj=tar) as archive:
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
    sources: Mapping[Location, RunFile],
    batches: Iterator[NumberedResults],
) -> Mapping[str, Any]:
    """Pack batches into a corpus; returns its counts. Interrupted, the same call goes on.

    Args:
        sources: the corpora that the batches come from, which are checked whole before anything
            is written.

    Raises:
        UserError: a source is damaged, or the output is, or it holds something else.
    """
    run = examine_output(output, described)
    if not run.complete:
        for source, source_run in sources.items():
            refuse_damage(source, source_run)
        with Lease(output):
            # The driver that had the lease before may have finished meanwhile.
            run = examine_output(output, described)
            if not run.complete:
                write_run(output, run)
                clear_temporaries(output)
                refuse_damaged_shards(output, (TAR, PARQUET))
                publisher = Publisher(output, config, schema)
                for number, results in batches:
                    if number == publisher.next.batch:
                        publisher.take(results)
                publisher.finish()
                return conclude(output, run, schema)
    assert run.counts is not None
    refuse_damage(output, run)
    clear_leftovers(output)
    return run.counts
