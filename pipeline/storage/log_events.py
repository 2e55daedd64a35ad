"""What the lines of a log hold, by kind: a line that holds something else is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_TIME = 1e11
"""Seconds since 1970: some 3,000 years."""
MAX_SECONDS = 1e9
"""Of a batch or of a start: some 30 years."""

Time = Annotated[float, Field(ge=0, le=MAX_TIME, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Pid = Annotated[int, Field(ge=0, lt=2**63)]


class _Line(BaseModel):
    """Further fields are let through: later releases may have added some."""

    model_config = ConfigDict(strict=True, extra="allow")

    at: Time


class _Start(_Line):
    connected: Time = 0.0
    workers: Count = 0


class _Held(_Line):
    workers: Count


class _Placed(_Line):
    pid: Pid | None = None


class _Ready(_Line):
    pid: Pid | None = None
    imports: Seconds
    models: Seconds
    device: str
    fitting: Count = 0


class _Ended(_Line):
    pid: Pid | None = None
    cause: str


class _Stop(_Line):
    cause: str


class _Batch(_Line):
    batch: Count
    statuses: dict[str, Count]
    accepted: dict[str, Count] = {}
    asked: dict[str, Count] = {}
    failures: dict[str, Count] = {}
    seconds: Seconds
    host: str = ""
    pid: Pid = 0


_EVENTS: Mapping[str, type[_Line]] = {
    "start": _Start,
    "held": _Held,
    "placed": _Placed,
    "ready": _Ready,
    "ended": _Ended,
    "stop": _Stop,
}


def is_valid(entry: Mapping[str, Any]) -> bool:
    """Whether an entry has the fields of its kind, each with a value that can be meant.

    Of an event that this version does not know, only the time is checked.
    """
    event = entry.get("event")
    if event is None:
        kind: type[_Line] = _Batch
    elif isinstance(event, str):
        kind = _EVENTS.get(event, _Line)
    else:
        return False
    try:
        kind.model_validate(entry)
    except ValidationError:
        return False
    return True
