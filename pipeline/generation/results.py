"""How requests end: what a worker stores of each, also of those for which nothing was computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from muse.emotions import Target, Taxonomy
from pipeline.generation.verdicts import FAILED, REJECTED
from pipeline.output.records import Record
from pipeline.output.rows import RowLayout
from pipeline.planning.plan import PlannedRequest
from pipeline.storage.addresses import public


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
    is_mixture = len(target.members) > 1
    return Record(
        key=request.key,
        status=FAILED,
        task="generate" if request.image is None else "edit",
        id=request.id,
        row=request.row,
        batch=batch,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt or "",
        emotion=None if is_mixture else target.name,
        mixture=target.name if is_mixture else None,
        target=dict(zip(taxonomy.labels, target.weights, strict=True)),
        source_image=public(request.image) if isinstance(request.image, str) else None,
        mask=public(request.mask) if isinstance(request.mask, str) else None,
        seed=request.seed,
        candidate=request.candidate,
        manifest=request.extra,
    )


def blank_row(
    request: PlannedRequest, batch: int, taxonomy: Taxonomy, layout: RowLayout
) -> dict[str, Any]:
    """`blank_record` as a row of the metadata."""
    return layout.row(blank_record(request, batch, taxonomy))


def failed(
    request: PlannedRequest, batch: int, taxonomy: Taxonomy, layout: RowLayout, reason: str
) -> Result:
    """The result of a request for which there is no image."""
    record = blank_record(request, batch, taxonomy)
    return Result(layout.row(replace(record, reason=reason)), None)


def quota_rejection(row: Mapping[str, Any], layout: RowLayout, reason: str) -> Result:
    """The rejection of a request whose cell is full: the same whether it was computed or not."""
    return Result({**layout.undrawn(row), "status": REJECTED, "reason": reason}, None)
