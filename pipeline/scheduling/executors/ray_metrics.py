"""What the workers count for Prometheus, through Ray's own metrics.

Ray exports them on every node (`ray_muse_batch_...`). `jobs/clusters/grafana/` has a dashboard.
"""

from __future__ import annotations

from ray.util.metrics import Counter, Histogram

from pipeline.output.batches import Report

BOUNDARIES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
"""Of the histogram of a batch's seconds."""


class WorkerMetrics:
    """The metrics of one worker's process."""

    def __init__(self) -> None:
        self.requests = Counter(
            "muse_batch_requests", "Finished requests by status.", tag_keys=("status",)
        )
        self.accepted = Counter(
            "muse_batch_accepted", "Accepted samples by emotion.", tag_keys=("emotion",)
        )
        self.asked = Counter(
            "muse_batch_asked", "Finished requests by emotion.", tag_keys=("emotion",)
        )
        self.seconds = Histogram(
            "muse_batch_batch_seconds", "Seconds that a batch took.", boundaries=BOUNDARIES
        )

    def add(self, report: Report) -> None:
        """Count a finished batch."""
        for status, count in report.statuses.items():
            self.requests.inc(count, {"status": status})
        for emotion, count in report.accepted.items():
            self.accepted.inc(count, {"emotion": emotion})
        for emotion, count in report.asked.items():
            self.asked.inc(count, {"emotion": emotion})
        self.seconds.observe(report.seconds)
