"""Workers as Ray actors, on one small cluster for all of these tests. Its GPUs are pretended."""

import ipaddress
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
import ray
from ray.cluster_utils import Cluster

from pipeline.config import Config
from pipeline.errors import RunStopped, UserError
from pipeline.generation.worker import Job
from pipeline.models.locate import locate
from pipeline.scheduling.executors import ray_executor
from pipeline.storage.log import entries
from tests.support import drive

PROMPTS = [f"a dog, number {n}" for n in range(24)]
CPU = ["--gpus-per-worker", 0]
EMBEDDED = ["--engine", "muse", "--limit", 2, *CPU]
EMBEDDED += ["--set", "method.steps=4", "--min-confidence", 0]


@pytest.fixture(scope="module")
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        # By default, Ray's workers yield to all other processes.
        patch.setenv("RAY_worker_niceness", "0")
        head = {"num_cpus": 2, "num_gpus": 2, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def connected(cluster):
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return drive.write_manifest(tmp_path_factory.mktemp("ray") / "manifest.parquet", PROMPTS)


def run_on(cluster, manifest, out, *more):
    """A run on the cluster, driven by this process."""
    return drive.run(manifest, out, "--executor", "ray", "--address", cluster.address, *more)


def job(tmp_path, **settings) -> Job:
    config = Config(**{"engine": "null", "gpus_per_worker": 1.0, **settings})
    return Job(tmp_path, config, locate(config), pa.schema([]), "")


def started(job: Job) -> list[ray.actor.ActorHandle]:
    workers, options = ray_executor.worker_options(job.config)
    return [ray_executor.Worker.options(**options.as_ray()).remote(job) for _ in range(workers)]


class Occupant:
    """Holds its resources."""

    def is_there(self) -> bool:
        return True


@pytest.mark.faults
def test_a_killed_worker_of_two_leaves_no_trace_in_the_bytes(cluster, manifest, tmp_path):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    slow = {"delay": 0.1}
    assert drive.run(manifest, undisturbed, faults=slow).returncode == 0
    on_ray = ["--address", cluster.address, "--workers", 2]
    with drive.started(manifest, out, *on_ray, faults=slow) as process:
        drive.wait_until(lambda: drive.batch_files(out), process)
        drive.workers_below(psutil.Process())[0].kill()
        _, stderr = process.communicate(timeout=drive.TIMEOUT_S)
    assert process.returncode == 0, stderr
    assert drive.published(out) == drive.published(undisturbed)
    log = list(entries(out))
    assert [entry for entry in log if entry.get("event") == "ended"]
    # No batch was made twice.
    assert sorted(entry["batch"] for entry in log if "batch" in entry) == list(range(6))


def test_the_embedded_model_makes_the_same_bytes_as_within_one_process(cluster, manifest, tmp_path):
    local = drive.run(manifest, tmp_path / "local", *EMBEDDED)
    assert local.returncode == 0, local.stderr
    done = run_on(cluster, manifest, tmp_path / "out", *EMBEDDED, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert drive.published(tmp_path / "out") == drive.published(tmp_path / "local")


@pytest.fixture
def users_folder(tmp_path) -> Path:
    """A folder with modules of the user's, named like the packages of this project."""
    for name in ("pipeline.py", "manifests.py", "jobs/__init__.py", "muse/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise RuntimeError('a module of the user was imported')")
    return tmp_path


@pytest.mark.faults
def test_modules_of_the_user_do_not_hide_ours_on_a_cluster(
    cluster, manifest, users_folder, monkeypatch
):
    monkeypatch.chdir(users_folder)
    assert drive.run(manifest, Path("local")).returncode == 0
    done = run_on(cluster, manifest, Path("out"), "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert drive.published(Path("out")) == drive.published(Path("local"))


@pytest.mark.faults
def test_a_local_run_beside_modules_of_the_user_listens_on_loopback_only(manifest, users_folder):
    """By the installed command, which starts a Ray of its own."""
    words = drive.run_arguments(manifest, "out", "--workers", 1)
    command = [Path(sys.executable).parent / "muse-batch", *words]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    options = {
        "cwd": users_folder,
        "env": drive.environment({"delay": 0.3}),
        "start_new_session": True,
    }
    with subprocess.Popen(command, **streams, **options) as process:
        try:
            drive.wait_until(lambda: drive.batch_files(users_folder / "out"), process)
            addresses = listening(process)
            _, stderr = process.communicate(timeout=drive.TIMEOUT_S)
        finally:
            drive.kill_all(process)
    assert process.returncode == 0, stderr
    assert addresses
    assert [address for address in addresses if not address.is_loopback] == []


def listening(process) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses that the process and its descendants listen on."""
    addresses = set()
    for member in drive.family(process):
        try:
            connections = member.net_connections("inet")
        except psutil.Error:
            continue
        for connection in connections:
            if connection.status == "LISTEN":
                addresses.add(ipaddress.ip_address(connection.laddr.ip.removeprefix("::ffff:")))
    return addresses


def test_python_m_pipeline_prefers_our_modules_to_those_of_the_user(users_folder):
    """But for a module `pipeline` of the user's: Python itself runs that one."""
    (users_folder / "pipeline.py").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "--help"],
        cwd=users_folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: muse-batch" in done.stdout


def visible_gpus(actors) -> list[list[int]]:
    """The GPUs that Ray has given to each actor, which are those that torch would see."""

    def look(_):
        import os

        return sorted(map(int, ray.get_gpu_ids())), os.environ.get("CUDA_VISIBLE_DEVICES")

    found = ray.get([actor.__ray_call__.remote(look) for actor in actors], timeout=240)
    assert all(visible == ",".join(map(str, ids)) for ids, visible in found)
    return [ids for ids, _ in found]


@pytest.mark.faults
def test_workers_share_gpus_as_asked(connected, tmp_path):
    half = job(tmp_path, gpus_per_worker=0.5)
    assert ray_executor.worker_options(half.config)[0] == 4
    two = job(tmp_path, gpus_per_worker=0.5, workers=2)
    assert visible_gpus(started(two)) == [[0], [0]]
    assert visible_gpus(started(job(tmp_path, gpus_per_worker=2.0))) == [[0, 1]]


@pytest.mark.faults
def test_no_more_workers_get_a_gpu_than_there_are(connected, tmp_path):
    # Ray ends an actor to which no handle is left, and gives its GPU to the next.
    actors = started(job(tmp_path, workers=3))
    calls = [actor.locate.remote() for actor in actors]
    placed, _ = ray.wait(calls, num_returns=2, timeout=240)
    assert len(placed) == 2
    placed, waiting = ray.wait(calls, num_returns=3, timeout=2)
    assert (len(placed), len(waiting)) == (2, 1)


def test_more_gpus_than_there_are_is_refused(connected, tmp_path):
    with pytest.raises(UserError, match=r"--gpus-per-worker 3: the cluster has 2 GPU"):
        ray_executor.worker_options(job(tmp_path, gpus_per_worker=3.0).config)
    # The user says to what size a cluster can grow.
    growing = job(tmp_path, gpus_per_worker=3.0, workers=5, address="auto").config
    assert ray_executor.worker_options(growing)[0] == 5


@pytest.mark.faults
def test_a_cluster_without_room_stops_the_run_with_what_is_missing(cluster, manifest, tmp_path):
    address = {"address": cluster.address, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(**address, namespace="others")
    # It outlives this connection, since a run in this process needs one of its own.
    occupant = ray.remote(num_cpus=0, num_gpus=1)(Occupant).options(
        name="occupant", lifetime="detached"
    )
    ray.get(occupant.remote().is_there.remote(), timeout=240)
    ray.shutdown()
    options = ["--workers", 1, "--gpus-per-worker", 2, "--set", "worker_start_timeout_s=1"]
    done = run_on(cluster, manifest, tmp_path / "out", *options)
    ray.init(**address, namespace="others")
    ray.kill(ray.get_actor("occupant"))
    ray.shutdown()
    assert done.returncode == 1
    assert "no worker was placed within 1 s (worker_start_timeout_s)" in done.stderr
    assert "asks for gpus 2, free are CPU 2, GPU 1" in done.stderr


@pytest.mark.parametrize(
    ("gpus", "cpus", "before", "now", "held"),
    [
        (0.0, 1, {}, {"CPU": 2.0}, 2),
        (0.0, 1, {"CPU": 2.0}, {"CPU": 2.0}, 0),
        (0.0, 0.3, {}, {"CPU": 0.9}, 3),
        (0.5, 0, {"GPU": 1.0, "CPU": 4.0}, {"GPU": 2.0, "CPU": 1.0}, 2),
        (2.0, 0, {}, {"CPU": 2.0, "GPU": 1.0}, 0),
        (0.0, 0, {}, {"CPU": 2.0}, 0),
    ],
)
def test_what_was_taken_since_the_run_came_is_held_by_its_workers(gpus, cpus, before, now, held):
    options = ray_executor.WorkerOptions(gpus, cpus, {})
    assert ray_executor.held_by_workers(options, before, now) == held


def test_an_address_that_accepts_no_connection_is_refused(manifest, tmp_path):
    done = drive.run(manifest, tmp_path, "--executor", "ray", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert "error: --address '127.0.0.1:1': cannot connect" in done.stderr


@pytest.mark.faults
def test_weights_do_not_travel_through_ray(connected, tmp_path):
    """A worker loads the embedded model, of some 30 MB; Ray's object store holds almost nothing."""
    from ray._private.internal_api import node_stats

    embedded = job(tmp_path, engine="muse", gpus_per_worker=0.0, workers=1)
    assert len(ray.cloudpickle.dumps(embedded)) < 20_000
    (node,) = ray.nodes()

    def used() -> int:
        stats = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"]).store_stats
        return stats.object_store_bytes_used

    (actor,) = started(embedded)
    ray.get(actor.load_models.remote(), timeout=400)
    assert used() < 100_000
    held = ray.put(b"0" * 1_000_000)
    assert used() >= 1_000_000, "the measurement works"
    del held


@pytest.mark.faults
def test_workers_go_to_the_nodes_with_the_labels(cluster, tmp_path):
    spot = {"ray.io/accelerator-type": "A100", "ray.io/market-type": "spot"}
    wanted = cluster.add_node(num_cpus=1, num_gpus=2, labels=spot)
    other = cluster.add_node(num_cpus=1, num_gpus=1, labels={"ray.io/market-type": "on-demand"})
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        labels = "ray.io/accelerator-type=A100, ray.io/market-type=spot"
        actors = started(job(tmp_path, label_selector=labels))
        placements = ray.get([actor.locate.remote() for actor in actors], timeout=240)
        assert [placement.node for placement in placements] == [wanted.node_id] * 2
        assert ray_executor.worker_options(job(tmp_path).config)[0] == 5
        with pytest.raises(UserError, match="no node with these labels"):
            ray_executor.worker_options(
                job(tmp_path, label_selector="ray.io/accelerator-type=H100").config
            )
    finally:
        ray.shutdown()
        cluster.remove_node(other)
        cluster.remove_node(wanted)


def test_a_ray_that_does_not_start_stops_the_run_with_its_reason(monkeypatch):
    """As on a machine so busy that Ray's services are not up in 30 seconds."""

    def fail(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray_executor.ray, "init", fail)
    with pytest.raises(RunStopped, match="Ray did not start: The current node timed out"):
        ray_executor.connect("")
