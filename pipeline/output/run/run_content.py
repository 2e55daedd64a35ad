"""What the tables of a `run.json` have to hold, so that whoever reads them can rely on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    """Further keys are let through: later releases may have added or removed some."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Taxonomy(_Table):
    name: str
    labels: Annotated[list[str], Field(min_length=1)]


class _Config(_Table):
    """The settings that are read from a stored run."""

    batch_size: Size
    shard_size: Size
    image_format: Literal["png", "jpg", "webp"]
    taxonomy: _Taxonomy
    emotions: list[str]
    min_confidence: float
    filters: dict[str, float]
    keep_rejected: bool
    limit: Count
    quota: Count
    images: dict[str, Any]
    method: dict[str, Any]


class _Counts(_Table):
    """How the requests of a complete corpus ended; of each target, asked and accepted."""

    requests: Count
    accepted: Count
    rejected: Count
    failed: Count
    emotions: dict[str, dict[str, Any]]
    mixtures: dict[str, dict[str, Any]]
    tasks: dict[str, Count]


class _Parts(_Table):
    config: dict[str, Any]
    models: dict[str, Any]
    versions: dict[str, str]


_TABLES: Mapping[str, type[_Table]] = {"config": _Config, "counts": _Counts, "parts": _Parts}


def check_tables(fields: Mapping[str, Any]) -> None:
    """
    Args:
        fields: of `run.json`; a table that is absent is not checked.

    Raises:
        ValueError: a value is missing or of the wrong type; the first one by its place.
    """
    for name, table in _TABLES.items():
        if name not in fields:
            continue
        try:
            table.model_validate(fields[name])
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, (name, *first["loc"])))
            raise ValueError(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    if "counts" in fields and "metadata.parquet" not in fields.get("files", {}):
        raise ValueError("files does not name metadata.parquet")
