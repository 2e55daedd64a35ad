"""Which requests go into which shard, decided in the order of the plan. Pure.

Quotas are kept and near-duplicates are rejected here, because here the order is fixed. The shards
are a function of the plan and of how each request ended, never of when its batch was finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.generation.verdicts import ACCEPTED, Quota
from pipeline.output.markers import Cursor
from pipeline.output.near_duplicates import NearDuplicates

MAX_REQUESTS_PER_SAMPLE = 50
"""Requests in a shard at most, for each sample that it may hold: where few are accepted, shards
have fewer samples, and memory does not grow."""


@dataclass(frozen=True)
class RequestSummary:
    """How a request ended, as far as the shards depend on it.

    Attributes:
        cell: what its quota is counted by; empty without a quota.
        phash: perceptual hash of its image, if there is one.
    """

    key: str
    status: str
    cell: str = ""
    phash: str | None = None


@dataclass(frozen=True)
class Rejection:
    """Why an accepted or undecided request is rejected in its turn.

    Attributes:
        is_quota: its cell is full; it is then stored as if it had never been made.
    """

    reason: str
    is_quota: bool


@dataclass(frozen=True)
class ShardSpec:
    """What a shard consists of.

    Attributes:
        first, next: its first request, and that of the shard after it.
        rejections: of its requests, those rejected in their turn, by key.
    """

    number: int
    first: Cursor
    next: Cursor
    rejections: Mapping[str, Rejection] = field(default_factory=dict)


def max_requests(shard_size: int) -> int:
    """Requests that a shard of up to `shard_size` samples may have."""
    return MAX_REQUESTS_PER_SAMPLE * shard_size


def is_full(accepted: int, requests: int, shard_size: int) -> bool:
    """Whether a shard of so many samples and requests is closed for that reason alone."""
    return accepted == shard_size or requests == max_requests(shard_size)


class Sequencer:
    """Takes the batches in the order of the plan, and closes shards.

    A shard has up to `size` accepted samples and all requests between them. It closes when the
    first sample beyond it comes, so that the last shard has the trailing requests; or when it has
    as many requests as it may have.

    Args:
        shard: number of the first shard that is not closed yet.
        start: its first request.
    """

    def __init__(
        self,
        size: int,
        shard: int = 0,
        start: Cursor = Cursor(),  # noqa: B008, it is immutable
        quota: Quota | None = None,
        near_duplicates: NearDuplicates | None = None,
    ):
        self.size, self.shard, self.start, self.next = size, shard, start, start
        self.quota, self.near_duplicates = quota, near_duplicates
        self._clear()

    def _clear(self) -> None:
        self.accepted, self.requests = 0, 0
        self.rejections: dict[str, Rejection] = {}

    def take(self, batch: Sequence[RequestSummary]) -> list[ShardSpec]:
        """Take the next batch in order; returns the shards that it closes."""
        closed = []
        number = self.next.batch
        for offset in range(self.next.offset, len(batch)):
            request = batch[offset]
            rejection = self._rejection(request)
            is_accepted = request.status == ACCEPTED and rejection is None
            is_beyond = is_accepted and self.accepted == self.size
            if is_beyond or self.requests == max_requests(self.size):
                closed.append(self._close(Cursor(number, offset)))
            self.accepted += is_accepted
            self.requests += 1
            if rejection is not None:
                self.rejections[request.key] = rejection
        self.next = Cursor(number + 1, 0)
        return closed

    def finish(self) -> ShardSpec | None:
        """The last shard, once all batches were taken; None if it would be empty."""
        return self._close(self.next) if self.requests else None

    def quota_reasons(self, cells: Sequence[str]) -> list[str]:
        """Why each of these coming requests is rejected in its turn; none unless all are.

        Cells only fill up: what is full now is full then.
        """
        if self.quota is None:
            return []
        reasons = [self.quota.reason(cell) for cell in cells]
        return reasons if all(reasons) else []

    def _close(self, next_start: Cursor) -> ShardSpec:
        spec = ShardSpec(self.shard, self.start, next_start, self.rejections)
        self.shard, self.start = self.shard + 1, next_start
        self._clear()
        return spec

    def _rejection(self, request: RequestSummary) -> Rejection | None:
        """Whether the request is rejected in its turn; if not, it is counted."""
        if self.quota and (reason := self.quota.reason(request.cell)):
            return Rejection(reason, is_quota=True)
        if request.status != ACCEPTED:
            return None
        if self.near_duplicates is not None and request.phash is not None:
            if reason := self.near_duplicates.reason(request.phash):
                return Rejection(reason, is_quota=False)
            self.near_duplicates.add(request.key, request.phash)
        if self.quota:
            self.quota.add(request.cell)
        return None
