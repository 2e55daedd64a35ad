"""One corpus from several, with new keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.config import fingerprint_settings
from pipeline.corpora.corpus import (
    NumberedResults,
    derived_run,
    finished_run,
    pack,
    read_results,
    schema_of,
)
from pipeline.corpora.duplicates import refuse_duplicates
from pipeline.corpora.sources import reading
from pipeline.errors import UserError
from pipeline.output.records import GROUP, MEMBER
from pipeline.output.run.run_file import RunFile
from pipeline.planning import plan
from pipeline.settings import revised
from pipeline.storage.files import Location

SOURCE = "source_corpus"
"""The column of a merged corpus with the number of the corpus that a row comes from, from 0, in the
order of `parts.merged` in `run.json`. The parts of a corpus that was merged before count each."""

COMMON = ("image_format", "taxonomy")
"""Settings in which merged corpora have to agree."""


def merge(sources: Sequence[Location], output: Location) -> Mapping[str, Any]:
    """One corpus of several, in `output`, with new keys; returns its counts.

    The settings of packing are those of the first one.

    Raises:
        UserError: not complete corpora, ones that do not fit together or have images in common,
            or an output that holds another one.
    """
    with reading(*sources):
        return _merge(sources, output)


def _merge(sources: Sequence[Location], output: Location) -> Mapping[str, Any]:
    corpora = {source: finished_run(source) for source in sources}
    _refuse_repeated(sources, corpora)
    runs = list(corpora.values())
    for name in COMMON:
        values = [run.config.get(name) for run in runs]
        if any(value != values[0] for value in values):
            raise UserError(f"the corpora differ in {name}; only corpora that agree can be merged")
    schema = _common_schema(corpora)
    refuse_duplicates(corpora)
    lowest = min(run.config["min_confidence"] for run in runs)
    config = revised(runs[0].config, [], {"min_confidence": lowest, "quota": 0})
    parts = {
        **runs[0].parts,
        "models": _all_models(runs),
        "config": fingerprint_settings(config),
        "merged": [_origin(run) for run in runs],
    }
    requests = sum(run.requests for run in runs)
    described = derived_run(runs[0], parts, config, requests)
    batches = _renumbered(corpora, schema)
    return pack(output, described, config, schema, corpora, batches)


def _refuse_repeated(sources: Sequence[Location], corpora: Mapping[Location, RunFile]) -> None:
    """
    Raises:
        UserError: a corpus is given twice, be it under two names.
    """
    earlier: dict[str, Location] = {}
    for source in sources:
        fingerprint = corpora[source].fingerprint
        if fingerprint not in earlier:
            earlier[fingerprint] = source
        elif earlier[fingerprint] == source:
            raise UserError(f"{source} is given twice; give it once")
        else:
            raise UserError(
                f"{earlier[fingerprint]} and {source} are the same corpus (they have the same "
                "fingerprint); give one of them"
            )


def _origin(run: RunFile) -> dict[str, Any]:
    """What made the next `requests` samples of a merged corpus: enough to make them again."""
    return {"fingerprint": run.fingerprint, "requests": run.requests, "parts": run.parts}


def _common_schema(corpora: Mapping[Location, RunFile]) -> pa.Schema:
    """A schema that holds the columns of all corpora."""
    schemas = {source: schema_of(source, run) for source, run in corpora.items()}
    try:
        schema = pa.unify_schemas([*schemas.values()], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"the corpora have a column with two types: {error}") from None
    for source, run in corpora.items():
        if "merged" not in run.parts and SOURCE in schemas[source].names:
            raise UserError(
                f"{source} has a column {SOURCE} of its manifest, the name of the column that "
                "tells merged corpora apart; rename it in the manifest and make it again"
            )
    if SOURCE in schema.names:
        return schema
    # Among the further columns of the manifest, as which every reader of a corpus knows it.
    origin = {GROUP: "manifest", MEMBER: SOURCE}
    return schema.append(pa.field(SOURCE, pa.int64(), metadata=origin))


def _sizes_in(requests: int, parts: Mapping[str, Any]) -> list[int]:
    """The requests of each corpus that a corpus was merged of, counting the parts of merged ones;
    its own requests if it was not merged.

    By them the rows are told apart, not by their column: earlier releases wrote none. The first of
    those did not keep the parts either, so that what it merged counts as one corpus.
    """
    sizes: list[int] = []
    for origin in parts.get("merged", ()):
        sizes += _sizes_in(origin["requests"], origin.get("parts", {}))
    return sizes or [requests]


def _all_models(runs: Sequence[RunFile]) -> dict[str, Any]:
    """The models of all corpora by role; those of later corpora only where they are others."""
    models = dict(runs[0].parts["models"])
    for number, run in enumerate(runs[1:], 2):
        for role, model in run.parts["models"].items():
            if runs[0].parts["models"].get(role) != model:
                models[f"{role} of corpus {number}"] = model
    return models


def _renumbered(
    corpora: Mapping[Location, RunFile], schema: pa.Schema
) -> Iterator[NumberedResults]:
    """All batches, with keys and numbers that go on from corpus to corpus and with all columns."""
    keys = itertools.count()
    numbers = itertools.count()
    origins = _origins(corpora.values())
    for source, run in corpora.items():
        for _, results in read_results(source, run):
            number = next(numbers)
            records = [result.record for result in results]
            # Through the table, which fills in the columns that this corpus lacks.
            rows = pa.Table.from_pylist(records, schema=schema).to_pylist()
            renamed = []
            for result, row in zip(results, rows, strict=True):
                key = f"{next(keys):0{plan.KEY_DIGITS}d}"
                changed = {"batch": number, "key": key, SOURCE: next(origins)}
                renamed.append(replace(result, record={**row, **changed}))
            yield number, renamed


def _origins(runs: Iterable[RunFile]) -> Iterator[int]:
    """The number of the corpus that each row comes from, in the order of all rows."""
    sizes: list[int] = []
    for run in runs:
        sizes += _sizes_in(run.requests, run.parts)
    for number, size in enumerate(sizes):
        yield from itertools.repeat(number, size)
