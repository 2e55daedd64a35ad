"""The workers' metrics, as Prometheus reads them."""

import json
import re
import socket
import urllib.request
from pathlib import Path

import pytest
import ray

from pipeline.output.batches import Report
from tests.support.drive import wait_until

DASHBOARD = Path(__file__).parents[4] / "jobs" / "clusters" / "grafana" / "muse-batch.json"
REPORT = Report(0, {"accepted": 3, "failed": 1}, {"awe": 3}, {"awe": 4}, seconds=3.0)


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.faults
def test_a_scrape_has_the_counts_and_every_name_that_the_dashboard_asks_for(
    monkeypatch, unused_port
):
    queries = [
        target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    ]
    names = set(re.findall(r"ray_muse_batch_\w+", " ".join(queries)))
    assert len(names) >= 4
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        _metrics_export_port=unused_port,
        _node_ip_address="127.0.0.1",
    )
    try:

        @ray.remote
        class Counting:
            def add(self, report):
                from pipeline.scheduling.executors.ray_metrics import WorkerMetrics

                self.metrics = WorkerMetrics()
                self.metrics.add(report)

        actor = Counting.remote()
        ray.get(actor.add.remote(REPORT))
        text, missing = "", names

        # Ray publishes each metric when it gets to it, in no particular order.
        def are_all_scraped():
            nonlocal text, missing
            with urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/metrics") as page:
                text = page.read().decode()
            missing = {name for name in names if f"\n{name}{{" not in text}
            return not missing

        wait_until(are_all_scraped)
    finally:
        ray.shutdown()
    assert re.search(r'ray_muse_batch_requests_total\{[^}]*status="accepted"[^}]*\} 3', text)
