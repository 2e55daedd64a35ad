"""Clusters, simulated on this machine: lost nodes, resources that never come; and who can reach a local run."""

import ipaddress
import time

import psutil
import pytest

from pipeline.storage.log import entries
from tests.support import drive

QUICK_HEALTH = {
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 3,
    "health_check_initial_delay_ms": 0,
}
"""Notices within seconds that a node is gone. On a busy machine also of one that is not: only where nodes are lost."""


@pytest.fixture
def cluster(request):
    """A head without a core of its own, to which the tests add nodes; the parameter is Ray's own configuration."""
    from ray.cluster_utils import Cluster

    system = {"_system_config": request.param} if hasattr(request, "param") else {}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **system})
    yield cluster
    cluster.shutdown()


def _node_workers() -> list[psutil.Process]:
    """The processes of actors below this process, which holds the nodes."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if " ".join(child.cmdline()[:1]).startswith("ray::Worker.run"):
                found.append(child)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [QUICK_HEALTH], indirect=True)
def test_a_lost_node_is_not_charged_to_the_request(cluster, tmp_path):
    """One request, and three nodes lost under it: three workers killed would have been its end."""
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", ["a dog"])
    slow = [
        "--address",
        cluster.address,
        "--batch-size",
        1,
        "--set",
        "worker_start_timeout_s=300",
    ]
    node = cluster.add_node(num_cpus=1)
    with drive.started(manifest, tmp_path / "out", *slow, faults={"delay": 8}) as going:
        for _ in range(3):
            drive.wait_until(_node_workers, going)
            lost, node = node, cluster.add_node(num_cpus=1)
            cluster.remove_node(lost, allow_graceful=False)
            drive.wait_until(lambda: not _node_workers(), going)
        _, told = going.communicate(timeout=drive.TIMEOUT_S)
    assert going.returncode == 0, told
    (row,) = drive.rows(tmp_path / "out")
    assert row["status"] != "failed"


def _drain(cluster, node, seconds: int) -> None:
    """Announce that a node will be taken away, as a cloud does before it ends a spot instance."""
    import ray
    from ray.core.generated import autoscaler_pb2

    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    deadline = int((time.time() + seconds) * 1000)
    client = ray._raylet.GcsClient(address=cluster.address)
    accepted, told = client.drain_node(node.node_id, reason, "spot instance reclaimed", deadline)
    assert accepted, told


@pytest.mark.slow
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("cluster", [QUICK_HEALTH], indirect=True)
def test_a_drained_node_is_not_charged_to_the_request(cluster, tmp_path, in_order):
    """One request, and three nodes drained under it, then ended: by SIGTERM, or past their deadline by SIGKILL."""
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", ["a dog"])
    slow = [
        "--address",
        cluster.address,
        "--batch-size",
        1,
        "--set",
        "worker_start_timeout_s=300",
    ]
    node = cluster.add_node(num_cpus=1)
    with drive.started(manifest, tmp_path / "out", *slow, faults={"delay": 8}) as going:
        for times in (1, 2, 3):
            drive.wait_until(lambda times=times: _ready(tmp_path / "out") == times, going)
            drained, node = node, cluster.add_node(num_cpus=1)
            _drain(cluster, drained, seconds=60 if in_order else 1)
            time.sleep(0 if in_order else 1.5)
            cluster.remove_node(drained, allow_graceful=in_order)
            drive.wait_until(lambda: not _node_workers(), going)
        _, told = going.communicate(timeout=drive.TIMEOUT_S)
    assert going.returncode == 0, told
    (row,) = drive.rows(tmp_path / "out")
    assert row["status"] != "failed"
    assert _ready(tmp_path / "out") == 4


def _ready(out) -> int:
    """Workers that have been given something to do so far."""
    return sum(entry.get("event") == "ready" for entry in entries(out))


def test_a_cluster_without_room_stops_the_run_with_what_is_missing(cluster, tmp_path):
    import ray

    cluster.add_node(num_cpus=1)
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", ["a dog"])
    ray.init(address=cluster.address, log_to_driver=False)
    try:

        @ray.remote(num_cpus=1)
        class Squatter:
            def here(self) -> bool:
                return True

        squatter = Squatter.remote()
        assert ray.get(squatter.here.remote())
        began = time.monotonic()
        done = drive.run_process(
            manifest,
            tmp_path / "out",
            "--address",
            cluster.address,
            "--set",
            "worker_start_timeout_s=5",
        )
        seconds = time.monotonic() - began
    finally:
        ray.shutdown()
    assert done.returncode == 1
    assert (
        "no worker got a place within 5 s (worker_start_timeout_s): each asks for cpus 1, free are none"
        in done.stderr
    )
    assert seconds < drive.MINUTE


def test_an_address_where_nobody_listens_is_told_at_once(tmp_path):
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", ["a dog"])
    done = drive.run_process(manifest, tmp_path / "out", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert "error: --address '127.0.0.1:1': nobody listens there" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_local_run_listens_on_loopback_alone(tmp_path):
    manifest = drive.write_manifest(tmp_path / "manifest.parquet", [f"a dog {n}" for n in range(8)])
    with drive.started(manifest, tmp_path / "out", "--workers", 1, faults={"delay": 0.5}) as going:
        drive.wait_until(lambda: drive.batch_files(tmp_path / "out"), going)
        listening = set()
        for process in [
            psutil.Process(going.pid),
            *psutil.Process(going.pid).children(recursive=True),
        ]:
            try:
                listening |= {
                    (process.name(), c.laddr.ip)
                    for c in process.net_connections("inet")
                    if c.status == "LISTEN"
                }
            except psutil.Error:
                continue
    assert listening
    plain = {(name, ipaddress.ip_address(ip.removeprefix("::ffff:"))) for name, ip in listening}
    outside = {(name, ip) for name, ip in plain if not ip.is_loopback}
    assert outside == set()
