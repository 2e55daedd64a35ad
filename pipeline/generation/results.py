"""How requests end: what a worker stores of each, also of those for which nothing was computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muse.emotions import Target, Taxonomy
from pipeline.generation.verdicts import FAILED, REJECTED
from pipeline.output.records import DRAWN, Record, to_row
from pipeline.planning.plan import PlannedRequest
from pipeline.storage.remote import public


@dataclass(frozen=True)
class Result:
    """How one request ended, as it is stored.

    Attributes:
        record: its row of the metadata, with the same columns for every request.
        image: the encoded image of an accepted sample, and of a rejected one if those are kept.
    """

    record: dict[str, Any]
    image: bytes | None


def blank_record(request: PlannedRequest, batch: int, taxonomy: Taxonomy) -> Record:
    """The record of a planned request before it is computed: failed, without a reason yet."""
    target = Target.of(request.emotion, taxonomy)
    return Record(
        key=request.key,
        id=request.id,
        row=request.row,
        batch=batch,
        status=FAILED,
        reason=None,
        task="generate" if request.image is None else "edit",
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        image=public(request.image) if isinstance(request.image, str) else None,
        emotion=target.members[0],
        target=target.weights,
        seed=request.seed,
        candidate=request.candidate,
    )


def blank_row(request: PlannedRequest, batch: int, shared: Mapping[str, Any]) -> dict[str, Any]:
    """`blank_record` as a row; `shared` are the columns that are the same for the whole run."""
    record = blank_record(request, batch, Taxonomy.of(shared["taxonomy"]))
    return to_row(record, shared, request.extra)


def failed(request: PlannedRequest, batch: int, shared: Mapping[str, Any], reason: str) -> Result:
    """The result of a request for which there is no image."""
    row = blank_row(request, batch, shared)
    return Result({**row, "status": FAILED, "reason": reason}, None)


def quota_rejection(row: Mapping[str, Any], reason: str) -> Result:
    """The rejection of a request whose cell is full: the same whether it was computed or not."""
    planned = {name: value for name, value in row.items() if name != "scores"}
    return Result({**planned, **undrawn(), "status": REJECTED, "reason": reason}, None)


def undrawn() -> dict[str, Any]:
    """The columns that describe an image, with their values where none was made."""
    return {name: [*value] if isinstance(value, tuple) else value for name, value in DRAWN.items()}
