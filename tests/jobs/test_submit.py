"""`muse-batch submit`: what it gives to Ray and what it refuses; a job whose node is lost."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import submit as submitting
from pipeline.storage.log import reports

ADDRESS = "http://head:8265"


def submit(*arguments, **options):
    command = [sys.executable, "-m", "jobs.cli", "submit", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=540, check=False, **options
    )


def test_prints_the_command_with_the_flags_of_run(tmp_path):
    env = tmp_path / "env.yaml"
    env.write_text("env_vars: {HF_HOME: /models}\n")
    more = [
        "--seed",
        3,
        "--emotions",
        "awe,fear",
        "--set",
        "similarity=a b",
        "--gpus-per-worker",
        0.5,
    ]
    done = submit(
        "s3://b/m.parquet",
        "-o",
        "s3://b/out",
        "--address",
        ADDRESS,
        "--runtime-env",
        env,
        "--dry-run",
        *more,
    )
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    split = words.index("--")
    assert words[:5] == ["ray", "job", "submit", "--address", ADDRESS]
    assert json.loads(words[words.index("--runtime-env-json") + 1]) == {
        "env_vars": {"HF_HOME": "/models"}
    }
    run = ["muse-batch", "run", "s3://b/m.parquet", "--output", "s3://b/out", "--address", "auto"]
    assert words[split + 1 :] == [*run, *map(str, more)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/m.parquet", "-o", "out", "--address", ADDRESS], "--output 'out' is relative"),
        (["m.parquet", "-o", "/out", "--address", ADDRESS], "--working-dir to send it"),
        (
            ["/m.parquet", "-o", "/out", "--address", "head:6379"],
            "give that of the cluster's dashboard",
        ),
        (["/m.parquet", "-o", "/out", "--address", ADDRESS, "--sed", "3"], "No such option: --sed"),
        (
            ["/m.parquet", "-o", "/out", "--address", ADDRESS, "--seed", "three"],
            "Invalid value for '--seed'",
        ),
        (
            ["/m.parquet", "-o", "/out", "--address", ADDRESS, "--runtime-env", "/nowhere.yaml"],
            "cannot be read",
        ),
        (
            ["/m.parquet", "-o", "/out", "--address", ADDRESS, "--runtime-env", "/dev/zero"],
            "it is not a regular file",
        ),
        (
            ["/m.parquet", "-o", "/out", "--address", "http://127.0.0.1:9"],
            "no Ray dashboard answers there",
        ),
        (
            ["/m.parquet", "-o", "/out", "--address", ADDRESS, "--stop", "--dry-run"],
            "--stop submits nothing: leave --dry-run",
        ),
        (
            ["/m.parquet", "-o", "/out", "--address", ADDRESS, "--no-wait", "--retries", "1"],
            "--retries needs this command to follow the job",
        ),
    ],
)
def test_refuses_what_cannot_work(arguments, message):
    done = submit(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@contextmanager
def answering(status, body):
    """Something at an address that gives the same answer to every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"Unauthorized: Missing authentication token", "the cluster requires a token; set"),
        (403, b"Forbidden: Invalid authentication token", "token"),
        (404, b"", "no Ray dashboard answers there"),
        (500, b"", "no Ray dashboard answers there"),
        (200, b"<html>", "no Ray dashboard answers there"),
        (200, b"{}", "no Ray dashboard answers there"),
    ],
)
def test_a_dashboard_that_does_not_answer_as_one_is_reported(monkeypatch, status, body, message):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with answering(status, body) as address, pytest.raises(ValueError, match=message) as caught:
        submitting._connect(address)
    assert str(caught.value).startswith(f"--address {address}: ")


QUICK = [
    "--set",
    "method.steps=6",
    "--set",
    "method.max_updates_per_step=1",
    "--min-confidence",
    "0.3",
]
FLAGS = [*QUICK, "--batch-size", "2", "--shard-size", "5", "--set", "worker_start_timeout_s=300"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def agent_port() -> dict[str, int]:
    return {"dashboard_agent_listen_port": free_port()}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A head node without resources, with the dashboard, and two nodes with a core each."""
    from ray.cluster_utils import Cluster

    # Workers at nice 15 starve on a busy machine. The nodes' workers need this environment's
    # commands.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    # Nodes on one machine want the same ports, and an agent without its port serves no jobs.
    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_port": free_port(), **agent_port()}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.nodes = [cluster.add_node(num_cpus=1, **agent_port()) for _ in range(2)]
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def written(output: Path) -> dict[str, bytes]:
    """What a run must give the same every time."""
    return {path.name: path.read_bytes() for path in sorted((output / "shards").iterdir())}


def until(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_job_survives_its_node_and_its_driver(cluster, tmp_path):
    """A node is lost, then the driver is killed: the next attempt resumes to the same bytes."""
    manifest, output, plain = tmp_path / "m.parquet", tmp_path / "out", tmp_path / "plain"
    prompts = ["a dog on a beach", "a cat by a pond", "a car on a street"]
    pq.write_table(pa.table({"prompt": prompts}), manifest)
    local = [
        sys.executable,
        "-m",
        "pipeline",
        "run",
        manifest,
        "--output",
        plain,
        "--workers",
        "1",
        *FLAGS,
    ]
    assert subprocess.run(local, capture_output=True, timeout=500, check=False).returncode == 0

    address = f"http://{cluster.webui_url}"
    arguments = [manifest, "--output", output, "--address", address, "--workers", "2", *FLAGS]
    command = [sys.executable, "-m", "jobs.cli", "submit", *map(str, arguments)]
    following = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        finished = output / "_state" / "batches"
        until(lambda: finished.exists() and len(list(finished.rglob("*.parquet"))) >= 1)
        # With its raylet killed, every worker of the node ends without notice.
        cluster.remove_node(cluster.nodes[0], allow_graceful=False)
        until(lambda: len(list(reports(output))) >= 4)
        driver = next(
            process
            for process in psutil.process_iter(["cmdline"])
            if _is_driver(process.info["cmdline"] or [], output)
        )
        driver.send_signal(signal.SIGKILL)
        stdout, _ = following.communicate(timeout=600)
    finally:
        following.kill()
    assert following.returncode == 0, stdout
    assert "was killed; 3 more attempt(s)" in stdout
    assert written(output) == written(plain)
    logged = [report["batch"] for report in reports(output)]
    # What was in flight is made twice at most: none of it is reported when the node dies, and two
    # batches may be made anew when the driver dies.
    assert set(logged) == set(range(12))
    assert len(logged) <= 14

    again = submit(*arguments)
    assert again.returncode == 0, again.stderr
    assert "was complete already" in again.stdout + again.stderr


def _is_driver(words: list[str], output: Path) -> bool:
    is_run = "run" in words and "submit" not in words
    return is_run and str(output) in words and "python" in Path(words[0]).name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_is_stopped_and_resumed(cluster, tmp_path):
    manifest, output = tmp_path / "m.parquet", tmp_path / "out"
    pq.write_table(pa.table({"prompt": ["a dog"] * 4}), manifest)
    flags = ["--engine", "null", "--batch-size", "1", "--workers", "2"]
    environment = tmp_path / "environment.yaml"
    environment.write_text("""env_vars: {MUSE_BATCH_TEST_FAULTS: '{"delay": 5}'}""")
    slow = ["--runtime-env", environment, "--set", "worker_start_timeout_s=300"]
    arguments = [
        manifest,
        "--output",
        output,
        "--address",
        f"http://{cluster.webui_url}",
        *flags,
        *slow,
    ]
    assert submit(*arguments, "--no-wait").returncode == 0
    finished = output / "_state" / "batches"
    until(lambda: finished.exists() and any(finished.rglob("*.parquet")))
    # The same command finds the job that runs, instead of a second one on the same output.
    assert "the job is already running" in submit(*arguments, "--no-wait").stderr
    done = submit(*arguments, "--stop")
    assert done.returncode == 0, done.stderr
    assert "no job of this output is running" in submit(*arguments, "--stop").stdout
    made = {path.name for path in finished.rglob("*.parquet")}
    assert 0 < len(made) < 32
    assert not json.loads((output / "run.json").read_text())["complete"]
    done = submit(*arguments, "--no-wait")
    assert "-2" in done.stderr, "the second attempt has a name of its own"
    until(lambda: len(list(finished.rglob("*.parquet"))) > len(made))
    assert made <= {path.name for path in finished.rglob("*.parquet")}
    assert submit(*arguments, "--stop").returncode == 0
