"""Corpora from corpora, without a model: thresholds applied late, corpora merged, failed requests reopened."""

from __future__ import annotations

import itertools
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config, as_dict, decisive
from pipeline.errors import UserError
from pipeline.generation import verdicts as filters
from pipeline.generation.samples import Result
from pipeline.output import batches
from pipeline.output.index import read_table
from pipeline.output.shards import REJECTED_FOLDER, file_of, markers, publisher_of, shard_folder
from pipeline.planning import plan
from pipeline.run import RUN_FILE, conclude, examine_output, read_run
from pipeline.settings import revised
from pipeline.storage.files import Location, write_json
from pipeline.storage.lease import Lease

LATE = (
    "min_confidence",
    "min_similarity",
    "near_duplicates",
    "filters",
    "quota",
    "quota_by",
    "keep_rejected",
    "shard_size",
)
"""Settings that can be changed without making an image again."""


def finished_run(output: Location) -> dict[str, Any]:
    """`run.json` of a complete corpus.

    Raises:
        UserError: there is none, or it is not complete.
    """
    run = read_run(output)
    if not run["complete"]:
        raise UserError(
            f"{output} is not complete; its own run command resumes it, after that it can be worked on"
        )
    return run


def schema_of(output: Location) -> pa.Schema:
    with (output / "metadata.parquet").open("rb") as handle:
        return pq.read_schema(handle).remove_metadata()


def results_of(output: Location, first_shard: int = 0) -> Iterator[tuple[int, list[Result]]]:
    """Every batch from that shard on in plan order: its number, and its results with all the images that are there."""
    known = markers(output)[first_shard:]
    rows = (result for marker in known for result in _results_in(output, f"{marker['shard']:05d}"))
    if not known and not first_shard:
        table, images = (
            read_table(output / "metadata.parquet"),
            _images(output, f"{REJECTED_FOLDER}/00000.tar"),
        )
        rows = (Result(row, images.get(row["key"])) for row in table.to_pylist())
    for number, results in itertools.groupby(rows, key=lambda result: result.record["batch"]):
        yield number, list(results)


def _results_in(output: Location, name: str) -> Iterator[Result]:
    images = _images(output, f"{name}.tar") | _images(output, f"{REJECTED_FOLDER}/{name}.tar")
    for row in read_table(shard_folder(output) / f"{name}.parquet").to_pylist():
        yield Result(row, images.get(row["key"]))


def _images(output: Location, name: str) -> dict[str, bytes]:
    """The encoded images of a tar by key; none if there is no such tar."""
    path, found = file_of(output, name), {}
    if not path.exists():
        return {}
    with path.open("rb") as handle, tarfile.open(fileobj=handle) as archive:
        for member in archive:
            key, _, suffix = member.name.partition(".")
            if (
                suffix not in ("cls", "json", "txt")
                and (file := archive.extractfile(member)) is not None
            ):
                found[key] = file.read()
    return found


def refilter(
    source: Location,
    output: Location,
    assignments: Sequence[str],
    flags: Mapping[str, Any],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """The corpus that other thresholds make of `source`, in `output`; returns its counts.

    Thresholds can be raised freely. Lowered, they bring back what was rejected only where its image was kept
    (`keep_rejected`); `warn` hears how many others there are, and how many have no score of a filter. Of several
    candidates only the best one is known.

    Raises:
        UserError: not a complete corpus, a setting that would need new images, or an output that holds another one.
    """
    run = finished_run(source)
    config = revised(run["config"], assignments, flags)
    if stuck := [
        key
        for key, value in as_dict(config).items()
        if key not in LATE and not _same(value, run["config"].get(key))
    ]:
        raise UserError(
            f"{', '.join(stuck)}: cannot be changed without new images; here go {', '.join(LATE)}"
        )
    if unknown := sorted({*config.filters} - {*run["config"]["filters"]}):
        raise UserError(
            f"filters.{unknown[0]}: {source} has no scores of it; it was made without that filter"
        )
    parts = {**run["parts"], "config": decisive(config), "refiltered": run["fingerprint"]}
    lost = 0
    blind: Counter[str] = Counter()

    def decided(result: Result) -> Result:
        nonlocal lost
        record = result.record
        if record["status"] == filters.FAILED or not record["tried"]:
            return result
        blind.update(filters.unscored(record, config))
        verdict = filters.decide(record, config)
        if verdict.status == filters.ACCEPTED and result.image is None:
            lost += 1
            return result
        image = result.image if verdict.status == filters.ACCEPTED or config.keep_rejected else None
        told = {
            "status": verdict.status,
            "reason": verdict.reason,
            "min_confidence": config.min_confidence,
        }
        return Result({**record, **told}, image)

    every = (
        (number, [decided(result) for result in results]) for number, results in results_of(source)
    )
    counts = _publish(
        output, _described(run, parts, config, run["requests"]), config, schema_of(source), every
    )
    if lost:
        warn(
            f"{lost} sample(s) reach the thresholds but stay rejected, for their images were not kept; "
            "a run with keep_rejected = true keeps them"
        )
    for name, count in sorted(blind.items()):
        warn(
            f"{count} sample(s) have no score of filter {name}, which let them pass: their corpus was made without it"
        )
    return counts


def merge(sources: Sequence[Location], output: Location) -> dict[str, Any]:
    """One corpus of several, in `output`, with new keys; returns its counts. Settings of packing are the first one's.

    Raises:
        UserError: not complete corpora, ones that do not fit together, or an output that holds another one.
    """
    runs = [finished_run(source) for source in sources]
    for name in ("image_format", "taxonomy"):
        found = [run["config"].get(name) for run in runs]
        if any(value != found[0] for value in found):
            raise UserError(f"the corpora differ in {name}; only such as agree in it can be merged")
    try:
        schema = pa.unify_schemas(
            [schema_of(source) for source in sources], promote_options="permissive"
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"the corpora have columns of one name and two types: {error}") from None
    least = min(run["config"]["min_confidence"] for run in runs)
    config = revised(runs[0]["config"], [], {"min_confidence": least, "quota": 0})
    models = dict(runs[0]["parts"]["models"])
    for number, run in enumerate(runs[1:], 2):
        others = run["parts"]["models"].items()
        models |= {
            f"{role} of corpus {number}": model
            for role, model in others
            if models.get(role) != model
        }
    merged = [{"fingerprint": run["fingerprint"], "requests": run["requests"]} for run in runs]
    parts = {**runs[0]["parts"], "models": models, "config": decisive(config), "merged": merged}
    described = _described(runs[0], parts, config, sum(run["requests"] for run in runs))
    return _publish(output, described, config, schema, _renumbered(sources, schema))


def _renumbered(
    sources: Sequence[Location], schema: pa.Schema
) -> Iterator[tuple[int, list[Result]]]:
    """All batches, their keys and numbers going on from corpus to corpus, every column in every record."""
    keys = itertools.count()
    numbers = itertools.count()
    for source in sources:
        for _, results in results_of(source):
            number = next(numbers)
            rows = pa.Table.from_pylist(
                [result.record for result in results], schema=schema
            ).to_pylist()
            renamed = [
                {**row, "batch": number, "key": f"{next(keys):0{plan.KEY_DIGITS}d}"} for row in rows
            ]
            yield (
                number,
                [replace(result, record=row) for result, row in zip(results, renamed, strict=True)],
            )


def _publish(
    output: Location,
    described: dict[str, Any],
    config: Config,
    schema: pa.Schema,
    every: Iterator[tuple[int, list[Result]]],
) -> dict[str, Any]:
    """Pack the batches into `output`. Interrupted, the same command goes on where it was."""
    run = examine_output(output, described)
    if run["complete"]:
        counts: dict[str, Any] = run["counts"]
        return counts
    with Lease(output):
        write_json(output / RUN_FILE, run)
        publisher = publisher_of(output, config, schema)
        for number, results in every:
            if number == publisher.next.batch:
                publisher.take(results)
        return conclude(output, run, publisher)


def _described(
    run: Mapping[str, Any], parts: Mapping[str, Any], config: Config, requests: int
) -> dict[str, Any]:
    parts = json.loads(json.dumps(parts, sort_keys=True))
    told = {
        "fingerprint": plan.fingerprint(parts),
        "parts": parts,
        "config": as_dict(config),
        "requests": requests,
    }
    return {
        **{key: value for key, value in run.items() if key != "counts"},
        **told,
        "complete": False,
    }


def _same(value: Any, stored: Any) -> bool:
    return bool(json.loads(json.dumps(value)) == stored)


def reopen(output: Location) -> tuple[int, int]:
    """Make a complete corpus a run again that lacks the batches with failed requests; how many requests and batches.

    A batch is the unit of determinism: its other requests are computed again with the failed one, to the same bytes.
    All that lies in the shards from the first such batch on goes back into batch files before a shard is removed, so
    that nothing is lost whenever this is interrupted.

    Raises:
        UserError: not a complete corpus.
    """
    run = finished_run(output)
    known, schema = markers(output), schema_of(output)
    if not known:
        first = 0
    elif (
        found := next((marker["shard"] for marker in known if marker[filters.FAILED]), None)
    ) is not None:
        first = found
    else:
        return 0, 0
    failed = batches_reopened = 0
    with Lease(output):
        # The first batch of the first shard may have begun in the shards before it.
        start = known[first]["first"][0] if known else 0
        back = next(
            (
                m["shard"]
                for m in known[:first]
                if m["next"][0] >= start and m["next"] != [start, 0]
            ),
            first,
        )
        for number, results in results_of(output, back):
            if number < start:
                continue
            if poor := sum(result.record["status"] == filters.FAILED for result in results):
                failed, batches_reopened = failed + poor, batches_reopened + 1
            else:
                batches.write_batch(output, number, results, schema)
        if not failed:
            return 0, 0
        write_json(
            output / RUN_FILE,
            {**{key: run[key] for key in run if key != "counts"}, "complete": False},
        )
        for marker in reversed(known[first:]):
            (shard_folder(output) / f"{marker['shard']:05d}.json").unlink()
            for name in marker["sha256"]:
                file_of(output, name).unlink(missing_ok=True)
    return failed, batches_reopened
