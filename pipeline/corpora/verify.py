"""Read a corpus again and compare it with its markers, its index and its plan."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from PIL import Image

from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.index.loader_files import SIZES_FILE
from pipeline.index.metadata import read_table
from pipeline.output.integrity import (
    CARD,
    changed_files,
    damaged_index,
    is_card_edited,
    missing_marker,
)
from pipeline.output.markers import (
    REJECTED_FOLDER,
    Marker,
    read_markers,
    relative_name,
    shard_folder,
)
from pipeline.output.rows import layout_of, target_name
from pipeline.output.run_file import RunFile, read_run
from pipeline.output.sample_files import SampleFormat
from pipeline.output.sequencer import is_full, max_requests
from pipeline.planning.fingerprint import fingerprint
from pipeline.planning.plan import KEY_DIGITS
from pipeline.storage.files import Location, listing
from pipeline.storage.log import read_log

Records = list[dict[str, Any]]


def verify(output: Location) -> list[str]:
    """Everything that is wrong with the corpus, a line for each problem; empty if there are none.

    Raises:
        UserError: not the output of a run, or its `run.json` or a marker is damaged.
    """
    run = read_run(output)
    markers = read_markers(output)
    problems: list[str] = []
    if not run.complete:
        problems.append("run.json: the run is not complete; the same run command resumes it")
    if fingerprint(run.parts) != run.fingerprint:
        problems.append("run.json: its fingerprint is not that of its parts")
    problems += missing_marker(output)
    problems += _uncommitted_files(output, markers, run)
    records: Records = []
    for marker in markers:
        changed = list(changed_files(output, marker))
        problems += changed
        if not changed:
            table = read_table(shard_folder(output) / f"{marker.name}.parquet")
            rows = table.to_pylist()
            problems += _check_shard(output, marker, rows, table.schema, run)
            records += rows
        problems += _check_size(marker, run.config["shard_size"], marker is markers[-1])
    if run.complete:
        damage = list(damaged_index(output, run))
        # The index can only be compared with shards that are all there.
        comparable = not damage and not problems
        problems += damage
        if comparable:
            problems += _check_index(output, run, records)
    return problems


def notes(output: Location) -> list[str]:
    """What is unusual about an output, and no problem, a line each."""
    lines = []
    if is_card_edited(output, read_run(output)):
        lines.append(f"{CARD}: was edited after the run had written it")
    if damaged := read_log(output).damaged:
        lines.append(f"the log has {damaged} damaged line(s); no part of the corpus depends on it")
    return lines


def _uncommitted_files(output: Location, markers: Sequence[Marker], run: RunFile) -> Iterator[str]:
    """Files in shards/ and rejected/ that belong to no committed shard."""
    committed = {relative_name(f"{marker.name}.json") for marker in markers}
    committed |= {relative_name(name) for marker in markers for name in marker.sha256}
    # A run that was reopened still has the sizes that were written when it was complete.
    committed |= {SIZES_FILE, *(run.files or {})}
    for folder in (shard_folder(output), output / REJECTED_FOLDER):
        for path in listing(folder, "*"):
            name = f"{folder.name}/{path.name}"
            if name not in committed:
                yield f"{name}: belongs to no committed shard (is an earlier one missing?)"


def _check_size(marker: Marker, size: int, last: bool) -> Iterator[str]:
    """Every shard but the last one is full."""
    if last and marker.accepted <= size and marker.requests <= max_requests(size):
        return
    if is_full(marker.accepted, marker.requests, size):
        return
    yield f"shards/{marker.name}.json: {marker.accepted} samples where {size} were planned"


def _check_shard(
    output: Location, marker: Marker, rows: Records, schema: pa.Schema, run: RunFile
) -> Iterator[str]:
    """A shard's tar against its parquet (`rows`) and its marker."""
    name = marker.name
    statuses = Counter(row["status"] for row in rows)
    for status in STATUSES:
        count, committed = statuses[status], marker.count(status)
        if count != committed:
            yield f"shards/{name}.parquet: {count} {status}, the marker says {committed}"
    accepted = {row["key"]: row for row in rows if row["status"] == ACCEPTED}
    layout = layout_of(schema)
    form = SampleFormat(layout, run.config["image_format"], run.config["taxonomy"]["labels"])
    tar = f"{name}.tar"
    # A shard without a sample has no tar.
    members = _read_members(shard_folder(output) / tar) if tar in marker.sha256 else {}
    expected = [name for key in accepted for name in form.names(key)]
    if list(members) != expected:
        yield (
            f"shards/{name}.tar: its members are not the accepted samples of its parquet in their "
            "order"
        )
        return
    for key, row in accepted.items():
        problems = _check_sample(key, row, members, form)
        yield from (f"shards/{name}.tar: {problem}" for problem in problems)


def _read_members(path: Location) -> dict[str, bytes]:
    """The files in a tar by name."""
    members: dict[str, bytes] = {}
    with path.open("rb") as handle, tarfile.open(fileobj=handle) as archive:
        for member in archive:
            file = archive.extractfile(member)
            members[member.name] = file.read() if file else b""
    return members


def _check_sample(
    key: str,
    row: dict[str, Any],
    members: dict[str, bytes],
    form: SampleFormat,
) -> Iterator[str]:
    """The files of one sample against its row."""
    if members[f"{key}.json"] != form.layout.to_json(row):
        yield f"{key}.json differs from its row in the parquet"
    if members[f"{key}.txt"] != row["prompt"].encode():
        yield f"{key}.txt is not its prompt"
    if members[f"{key}.cls"] != str(form.class_index(row)).encode():
        yield f"{key}.cls is not the index of {target_name(row)}"
    try:
        Image.open(io.BytesIO(members[form.image_name(key)])).load()
    except Exception as error:  # any decoder error means the same here
        yield f"{form.image_name(key)} cannot be decoded ({error})"


def _check_index(output: Location, run: RunFile, rows: Records) -> Iterator[str]:
    """The index against the shards' records (`rows`) and the plan."""
    records = read_table(output / "metadata.parquet").to_pylist()
    if [row["key"] for row in records] != [f"{n:0{KEY_DIGITS}d}" for n in range(run.requests)]:
        yield (
            f"metadata.parquet: its keys are not those of the plan's {run.requests} requests, "
            "each once, in order"
        )
    # As text: a NaN in a column of the manifest is not equal to itself.
    if rows and list(map(repr, records)) != list(map(repr, rows)):
        yield "metadata.parquet: differs from the shards' parquet files"
    for row in records:
        if row["status"] not in STATUSES or (row["status"] != ACCEPTED and not row["reason"]):
            yield f"metadata.parquet: {row['key']} ends as {row['status']!r} without a reason"
    counted = Counter(row["status"] for row in records)
    counts = {status: counted[status] for status in STATUSES}
    if run.counts is not None and any(run.counts[name] != counts[name] for name in STATUSES):
        yield f"run.json: its counts are not those of metadata.parquet ({counts})"
