"""Read a corpus again and compare it with its markers, its index and its plan."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import pyarrow as pa
from PIL import Image

from pipeline.errors import UserError
from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.index.loader_files import SIZES_FILE
from pipeline.index.metadata import METADATA_FILE, open_metadata, regrouped, row_groups
from pipeline.output.batches import batch_path, list_batches, read_batch
from pipeline.output.contents import contents_of
from pipeline.output.integrity import (
    CARD,
    changed_files,
    damaged_index,
    foreign_marker,
    is_card_edited,
    missing_marker,
)
from pipeline.output.markers import (
    REJECTED_FOLDER,
    Marker,
    relative_name,
    shard_folder,
)
from pipeline.output.records import from_parquet
from pipeline.output.rows import layout_of, target_name
from pipeline.output.run.run_file import RunFile, read_run
from pipeline.output.sample_files import SampleFormat
from pipeline.output.sequencer import is_full, max_requests
from pipeline.output.source_hashes import kept_hashes
from pipeline.planning.fingerprint import fingerprint
from pipeline.planning.plan import KEY_DIGITS
from pipeline.storage.files import Location, listing
from pipeline.storage.log import read_log
from pipeline.storage.regular import open_file, read_file

Records = list[dict[str, Any]]


def verify(output: Location) -> list[str]:
    """Everything that is wrong with the corpus, a line for each problem; empty if there are none.

    Raises:
        UserError: not the output of a run, or its `run.json` or a marker is damaged.
    """
    run = read_run(output)
    contents = contents_of(output)
    markers = contents.markers
    problems: list[str] = []
    if not run.complete:
        problems.append("run.json: the run is not complete; the same run command resumes it")
        problems += _damaged_work(output)
    if fingerprint(run.parts) != run.fingerprint:
        problems.append("run.json: its fingerprint is not that of its parts")
    problems += missing_marker(contents)
    problems += foreign_marker(output, contents)
    problems += _uncommitted_files(output, markers, run)
    for marker in markers:
        changed = list(changed_files(output, marker))
        problems += changed
        if not changed:
            table = _records(output, marker)
            problems += _check_shard(output, marker, table.to_pylist(), table.schema, run)
        problems += _check_size(marker, run.config["shard_size"], marker is markers[-1])
    if run.complete:
        damage = list(damaged_index(output, run, markers))
        # The index can only be compared with shards that are all there.
        comparable = not damage and not problems
        problems += damage
        if comparable:
            problems += _check_index(output, run, markers)
    return problems


def notes(output: Location) -> list[str]:
    """What is unusual about an output, and no problem, a line each."""
    lines = []
    if is_card_edited(output, read_run(output)):
        lines.append(f"{CARD}: was edited after the run had written it")
    if damaged := read_log(output).damaged:
        lines.append(f"the log has {damaged} damaged line(s); no part of the corpus depends on it")
    return lines


def _damaged_work(output: Location) -> Iterator[str]:
    """Files that an unfinished run goes on from, and that are not what was written."""
    for file in list_batches(output):
        if read_batch(output, file) is None:
            yield f"{batch_path(output, file)}: is damaged; the run makes that batch again"
    try:
        list(kept_hashes(output))
    except UserError as error:
        yield str(error)


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
    with open_file(path) as handle, tarfile.open(fileobj=handle) as archive:
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


def _check_index(output: Location, run: RunFile, markers: Sequence[Marker]) -> Iterator[str]:
    """The index against the shards' records and the plan, one shard in memory at a time."""
    statuses, requests = Counter[str](), 0
    in_order = is_same = True
    with open_metadata(output, (run.files or {})[METADATA_FILE]) as file:
        sizes = (*(marker.requests for marker in markers), run.requests)
        parts = regrouped(row_groups(file), sizes)
        for part, marker in zip_longest(parts, markers):
            if part is None:
                is_same = False
                break
            in_order &= part["key"].to_pylist() == _keys(requests, part.num_rows)
            is_same &= marker is not None and _are_equal(part, _records(output, marker))
            requests += part.num_rows
            statuses.update(part["status"].to_pylist())
            yield from _check_endings(part)
    if not in_order or requests != run.requests:
        yield (
            f"{METADATA_FILE}: its keys are not those of the plan's {run.requests} requests, "
            "each once, in order"
        )
    if not is_same:
        yield f"{METADATA_FILE}: differs from the shards' parquet files"
    counts = {status: statuses[status] for status in STATUSES}
    if run.counts is not None and any(run.counts[name] != counts[name] for name in STATUSES):
        yield f"run.json: its counts are not those of {METADATA_FILE} ({counts})"


def _keys(first: int, count: int) -> list[str]:
    return [f"{number:0{KEY_DIGITS}d}" for number in range(first, first + count)]


def _are_equal(first: pa.Table, second: pa.Table) -> bool:
    """Whether two tables have the same rows."""
    if first.equals(second):
        return True
    # As text: a NaN in a column of the manifest is not equal to itself.
    return [*map(repr, first.to_pylist())] == [*map(repr, second.to_pylist())]


def _check_endings(table: pa.Table) -> Iterator[str]:
    """Every request ends in one of the three ways, with a reason unless it is accepted."""
    for row in table.select(["key", "status", "reason"]).to_pylist():
        if row["status"] not in STATUSES or (row["status"] != ACCEPTED and not row["reason"]):
            yield f"{METADATA_FILE}: {row['key']} ends as {row['status']!r} without a reason"


def _records(output: Location, marker: Marker) -> pa.Table:
    """The records of a shard."""
    return from_parquet(read_file(shard_folder(output) / f"{marker.name}.parquet"))
