"""Where workers go: shares of GPUs, nodes by labels; how models get there. GPUs are Ray's bookkeeping here."""

import dataclasses
import json
import shutil
import subprocess
import sys

import pyarrow as pa
import pytest
import ray
from ray.cluster_utils import Cluster

from pipeline.config import Config
from pipeline.errors import RunStopped, UserError
from pipeline.generation.worker import Job
from pipeline.models.locate import Model, locate
from pipeline.scheduling import ray_executor
from pipeline.storage.files import sha256_folder


def job(tmp_path, **settings) -> Job:
    config = Config(**{"engine": "null", "gpus_per_worker": 1.0, **settings})
    return Job(tmp_path, config, locate(config), {}, pa.schema([]), "")


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")
    ray.init(
        "local",
        num_cpus=2,
        num_gpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


def started(job: Job) -> list[ray.actor.ActorHandle]:
    size, options = ray_executor.worker_options(job.config)
    return [ray_executor.Worker.options(**options.as_ray()).remote(job) for _ in range(size)]


def gpus_of(actors) -> list[list[int]]:
    def look(_):
        import os

        return sorted(map(int, ray.get_gpu_ids())), os.environ.get("CUDA_VISIBLE_DEVICES")

    seen = ray.get([actor.__ray_call__.remote(look) for actor in actors], timeout=240)
    # What torch would see is what Ray has given.
    assert all(visible == ",".join(map(str, ids)) for ids, visible in seen)
    return [ids for ids, _ in seen]


@pytest.mark.parametrize(
    ("each", "expected"),
    [(1.0, [[0], [1]]), (0.5, [[0], [0], [1], [1]]), (2.0, [[0, 1]])],
    ids=["one", "half", "two"],
)
def test_workers_share_gpus_as_asked(two_gpus, tmp_path, each, expected):
    assert sorted(gpus_of(started(job(tmp_path, gpus_per_worker=each)))) == expected


def test_no_more_workers_get_a_gpu_than_there_are(two_gpus, tmp_path):
    actors = started(job(tmp_path, workers=3))
    ready, waiting = ray.wait(
        [actor.locate.remote() for actor in actors], num_returns=3, timeout=20
    )
    assert (len(ready), len(waiting)) == (2, 1)


def test_more_gpus_than_there_are_is_refused(two_gpus, tmp_path):
    with pytest.raises(UserError, match=r"--gpus-per-worker 3: the cluster has 2 GPU"):
        ray_executor.worker_options(job(tmp_path, gpus_per_worker=3.0).config)
    # Of a cluster that can grow the user says how far.
    assert (
        ray_executor.worker_options(
            job(tmp_path, gpus_per_worker=3.0, workers=5, address="auto").config
        )[0]
        == 5
    )


def test_workers_go_to_the_nodes_with_the_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1, num_gpus=1, labels={"ray.io/market-type": "on-demand"})
        spot = {"ray.io/accelerator-type": "A100", "ray.io/market-type": "spot"}
        wanted = cluster.add_node(num_cpus=1, num_gpus=2, labels=spot)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        actors = started(
            job(tmp_path, label_selector="ray.io/accelerator-type=A100, ray.io/market-type=spot")
        )
        places = ray.get([actor.locate.remote() for actor in actors], timeout=240)
        assert [place.node for place in places] == [wanted.node_id] * 2
        assert ray_executor.worker_options(job(tmp_path).config)[0] == 3
        with pytest.raises(UserError, match="no node with these labels"):
            ray_executor.worker_options(
                job(tmp_path, label_selector="ray.io/accelerator-type=H100").config
            )
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.parametrize("selector", ["A100", "=A100", "type=", "a=b,c"])
def test_labels_have_a_form(selector):
    with pytest.raises(UserError, match="write KEY=VALUE"):
        ray_executor.labels_of(selector)


def test_weights_never_travel_through_ray(tmp_path, monkeypatch):
    """A worker with the embedded model (some 30 MB) has loaded it, and Ray's object store holds next to nothing."""
    from ray._private.internal_api import node_stats

    monkeypatch.setenv("RAY_worker_niceness", "0")
    embedded = job(tmp_path, engine="muse", gpus_per_worker=0.0, workers=1)
    assert len(ray.cloudpickle.dumps(embedded)) < 20_000
    ray.init(
        "local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    try:
        (actor,) = started(embedded)
        ray.get(actor.load_models.remote(), timeout=400)
        (node,) = ray.nodes()

        def used() -> int:
            stats = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"]).store_stats
            return stats.object_store_bytes_used

        assert used() < 100_000
        held = ray.put(b"0" * 1_000_000)
        assert used() >= 1_000_000, "it is measured at all"
        del held
    finally:
        ray.shutdown()


CLASSIFIER = '{"id2label": {"0": "awe", "1": "fear"}}'


def hub_model(folder, text):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(text)
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_node_without_the_drivers_folder_uses_its_own_copy(tmp_path, monkeypatch):
    """The hub's cache of a node, as `snapshot_download` finds it without asking the network."""
    commit = "0" * 40
    cache = tmp_path / "cache" / "models--owner--guide"
    own = hub_model(cache / "snapshots" / commit, CLASSIFIER)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    code = """
import dataclasses, json, sys
from pipeline.errors import RunStopped, UserError
from pipeline.models.locate import Model
from pipeline.models.node import on_this_node
try:
    print(on_this_node("guide", Model(*json.loads(sys.argv[1]))).path)
except UserError as error:
    print("refused:", error)
"""

    def elsewhere(model: Model) -> str:
        environment = {
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": ":".join(sys.path),
        }
        arguments = [sys.executable, "-c", code, json.dumps(dataclasses.astuple(model))]
        return subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    driver = hub_model(tmp_path / "driver", CLASSIFIER)
    model = Model("owner/guide", str(driver), sha256_folder(driver))
    assert elsewhere(model) == str(driver)
    shutil.rmtree(driver)
    assert elsewhere(model) == str(own)
    assert "is another model than the driver's" in elsewhere(
        dataclasses.replace(model, sha256="0" * 64)
    )


def test_a_ray_that_does_not_start_stops_the_run_with_its_words(monkeypatch):
    """As on a machine so busy that what Ray starts is not up in its 30 seconds."""

    def late(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray_executor.ray, "init", late)
    with pytest.raises(RunStopped, match="Ray did not start: The current node timed out"):
        ray_executor.connect("")
