"""Read a corpus again and hold it against its markers, its index and its plan."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from PIL import Image

from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.output.index import read_table
from pipeline.output.records import to_json
from pipeline.output.shards import damaged_files, markers, shard_folder
from pipeline.planning.plan import KEY_DIGITS, fingerprint
from pipeline.run import read_run
from pipeline.storage.files import Location, listing


def verify(output: Location) -> list[str]:
    """Everything that is wrong with the corpus, a line each; empty if it is sound.

    Raises:
        UserError: not the output of a run.
    """
    run = read_run(output)
    known = markers(output)
    problems = (
        []
        if run["complete"]
        else ["run.json: the run is not complete; the same run command resumes it"]
    )
    if fingerprint(run["parts"]) != run["fingerprint"]:
        problems.append("run.json: its fingerprint is not that of its parts")
    problems += list(_foreign(output, len(known)))
    rows: list[dict[str, Any]] = []
    size = run["config"]["shard_size"]
    for marker in known:
        name = f"{marker['shard']:05d}"
        damage = list(damaged_files(output, marker))
        problems += damage
        if not damage:
            found = list(_shard(output, name, marker, run))
            problems += found
            rows += read_table(shard_folder(output) / f"{name}.parquet").to_pylist()
        full = marker["accepted"] == size or (
            marker is known[-1] and 0 < marker["accepted"] <= size
        )
        if not full:
            problems.append(
                f"shards/{name}.json: {marker['accepted']} samples where {size} were planned"
            )
    if run["complete"]:
        problems += list(_index(output, run, rows))
    return problems


def _foreign(output: Location, shards: int) -> Iterator[str]:
    """Files in shards/ that no marker speaks of."""
    if any(
        path.stem.isdecimal() and int(path.stem) > shards
        for path in shard_folder(output).glob("*.json")
    ):
        yield f"shards/{shards:05d}.json: is missing, and later shards are there"
    ours = {f"{n:05d}.{suffix}" for n in range(shards) for suffix in ("tar", "parquet", "json")}
    for path in listing(shard_folder(output), "*"):
        if path.name not in ours:
            yield f"shards/{path.name}: belongs to no committed shard (is an earlier one missing?)"


def _shard(
    output: Location, name: str, marker: dict[str, Any], run: dict[str, Any]
) -> Iterator[str]:
    """A shard's tar against its parquet and its marker."""
    rows = read_table(shard_folder(output) / f"{name}.parquet").to_pylist()
    for status in STATUSES:
        count = sum(row["status"] == status for row in rows)
        if count != marker[status]:
            yield f"shards/{name}.parquet: {count} {status}, the marker says {marker[status]}"
    accepted = {row["key"]: row for row in rows if row["status"] == ACCEPTED}
    suffix = run["config"]["image_format"]
    members: dict[str, bytes] = {}
    with (
        (shard_folder(output) / f"{name}.tar").open("rb") as handle,
        tarfile.open(fileobj=handle) as archive,
    ):
        for member in archive:
            file = archive.extractfile(member)
            members[member.name] = file.read() if file else b""
    expected = [f"{key}.{part}" for key in accepted for part in ("cls", "json", suffix, "txt")]
    if list(members) != expected:
        yield f"shards/{name}.tar: its members are not the accepted samples of its parquet in their order"
        return
    for key, row in accepted.items():
        if members[f"{key}.json"] != to_json(row):
            yield f"shards/{name}.tar: {key}.json differs from its row in the parquet"
        if members[f"{key}.txt"] != row["prompt"].encode():
            yield f"shards/{name}.tar: {key}.txt is not its prompt"
        if (
            members[f"{key}.cls"]
            != str(run["config"]["taxonomy"]["labels"].index(row["emotion"])).encode()
        ):
            yield f"shards/{name}.tar: {key}.cls is not the index of {row['emotion']}"
        try:
            Image.open(io.BytesIO(members[f"{key}.{suffix}"])).load()
        except Exception as error:  # any decoder error means the same here
            yield f"shards/{name}.tar: {key}.{suffix} cannot be decoded ({error})"


def _index(output: Location, run: dict[str, Any], rows: list[dict[str, Any]]) -> Iterator[str]:
    """The index against the shards and the plan."""
    try:
        table = read_table(output / "metadata.parquet")
    except (OSError, pa.ArrowInvalid) as error:
        yield f"metadata.parquet: cannot be read ({error})"
        return
    records = table.to_pylist()
    if [row["key"] for row in records] != [f"{n:0{KEY_DIGITS}d}" for n in range(run["requests"])]:
        yield f"metadata.parquet: its keys are not those of the plan's {run['requests']} requests, each once, in order"
    # As text: a NaN in a column of the manifest is not equal to itself.
    if rows and [repr(record) for record in records] != [repr(row) for row in rows]:
        yield "metadata.parquet: differs from the shards' parquet files"
    for row in records:
        if row["status"] not in STATUSES or (row["status"] != ACCEPTED and not row["reason"]):
            yield f"metadata.parquet: {row['key']} ends as {row['status']!r} without a reason"
    for file in ("README.md", "contact_sheet.png"):
        if not (output / file).exists():
            yield f"{file}: is missing"
    counts = {status: sum(row["status"] == status for row in records) for status in STATUSES}
    if any(run["counts"][status] != counts[status] for status in STATUSES):
        yield f"run.json: its counts are not those of metadata.parquet ({counts})"
