"""Clusters whose nodes are lost or drained, simulated on this machine."""

import time

import psutil
import pytest

from pipeline.storage.log import entries
from tests.support import drive

pytestmark = pytest.mark.faults

QUICK_HEALTH = {
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 3,
    "health_check_initial_delay_ms": 0,
}
"""With these, Ray notices within seconds that a node is gone. On a busy machine it errs."""


@pytest.fixture
def cluster(request):
    """A head node without cores, to which the tests add nodes; the parameter configures Ray."""
    from ray.cluster_utils import Cluster

    system = {"_system_config": request.param} if hasattr(request, "param") else {}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **system})
    yield cluster
    cluster.shutdown()


def _node_workers() -> list[psutil.Process]:
    """The processes of actors below this process, which has started the nodes."""
    return drive.workers_below(psutil.Process())


@pytest.mark.parametrize("cluster", [QUICK_HEALTH], indirect=True)
def test_a_lost_node_is_not_charged_to_the_request(cluster, tmp_path):
    """Three nodes are lost under one request; three killed workers would have failed it."""
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
        _, stderr = going.communicate(timeout=drive.TIMEOUT_S)
    assert going.returncode == 0, stderr
    (row,) = drive.rows(tmp_path / "out")
    assert row["status"] != "failed"


def _drain(cluster, node, seconds: int) -> None:
    """Announce that a node will be taken away, as a cloud does before it ends a spot instance."""
    import ray
    from ray.core.generated import autoscaler_pb2

    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    deadline = int((time.time() + seconds) * 1000)
    client = ray._raylet.GcsClient(address=cluster.address)
    accepted, refusal = client.drain_node(node.node_id, reason, "spot instance reclaimed", deadline)
    assert accepted, refusal


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("cluster", [QUICK_HEALTH], indirect=True)
def test_a_drained_node_is_not_charged_to_the_request(cluster, tmp_path, in_order):
    """Three nodes are drained under one request, then end: by SIGTERM, or by SIGKILL if late."""
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
        _, stderr = going.communicate(timeout=drive.TIMEOUT_S)
    assert going.returncode == 0, stderr
    (row,) = drive.rows(tmp_path / "out")
    assert row["status"] != "failed"
    assert _ready(tmp_path / "out") == 4


def _ready(out) -> int:
    """Workers that have been given something to do so far."""
    return sum(entry.get("event") == "ready" for entry in entries(out))
