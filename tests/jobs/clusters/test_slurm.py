"""The Slurm script under a Slurm of two nodes, started here (Debian: `slurm-wlm`, `munge`)."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import drive

SCRIPT = Path("jobs/clusters/slurm/muse-batch.sbatch").resolve()
SEARCHED = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
MISSING = [
    name
    for name in ("munged", "slurmctld", "slurmd", "sbatch")
    if not shutil.which(name, path=SEARCHED)
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (Debian: slurm-wlm, munge)"
    ),
]

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
KillWait=10
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs={cores}
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={two} CPUs={cores}
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE
"""


@pytest.fixture
def slurm(tmp_path):
    """Runs a command of Slurm's, and gives what it printed."""
    folder = tmp_path / "slurm"
    (folder / "state").mkdir(parents=True)
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    with ExitStack() as sockets:
        held = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = dict(
            zip(("controller", "one", "two"), (one.getsockname()[1] for one in held), strict=True)
        )
    text = CONF.format(
        host=socket.gethostname(),
        user=getpass.getuser(),
        folder=folder,
        cores=os.cpu_count(),
        **ports,
    )
    (folder / "slurm.conf").write_text(text)
    # By default, a raylet has half a minute to start, too little for two nodes on a busy machine.
    more = {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": SEARCHED,
        "RAY_raylet_start_wait_time_s": "300",
    }
    environment = {**drive.environment({"delay": 0.3}), **more, "PYTHONPATH": str(Path.cwd())}
    munge = [
        "munged",
        "--foreground",
        "--force",
        f"--key-file={folder}/key",
        f"--socket={folder}/munge.socket",
    ]
    munge += [f"--{what}-file={folder}/munge.{what}" for what in ("pid", "log", "seed")]
    with ExitStack() as daemons:
        for command in (
            munge,
            ["slurmctld", "-D"],
            ["slurmd", "-D", "-N", "one"],
            ["slurmd", "-D", "-N", "two"],
        ):
            log = daemons.enter_context((folder / "daemons.log").open("ab"))
            daemon = daemons.enter_context(
                subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            )
            daemons.callback(daemon.terminate)

        def call(*command: object) -> str:
            done = subprocess.run(
                list(map(str, command)),
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr + (folder / "daemons.log").read_text()
            return done.stdout.strip()

        drive.wait_until((folder / "munge.socket").exists)
        drive.wait_until(lambda: call("sinfo", "--noheader", "--states=idle", "--format=%D") == "2")
        yield call
        call("scancel", "--full", f"--user={getpass.getuser()}")
        drive.wait_until(lambda: not call("squeue", "--noheader"))


def _state(slurm, job: str) -> dict[str, str]:
    text = slurm("scontrol", "show", "job", job, "--oneliner")
    return dict(part.partition("=")[::2] for part in text.split() if "=" in part)


def test_a_job_runs_on_all_its_nodes_comes_back_when_requeued_and_stays_away_when_cancelled(
    slurm, tmp_path
):
    manifest = drive.write_manifest(
        tmp_path / "manifest.parquet", [f"a dog {n}" for n in range(60)]
    )
    settings = ["--engine", "null", "--batch-size", 4, "--shard-size", 5]
    assert drive.run(manifest, tmp_path / "reference").returncode == 0
    log = tmp_path / "job.log"
    sbatch = ["sbatch", "--parsable", "--gpus-per-node=0", "--cpus-per-task=1", f"--output={log}"]
    command = [SCRIPT, manifest, "--output", tmp_path / "out", *settings]
    slurm(*sbatch, "--test-only", *command)
    job = slurm(*sbatch, *command)
    drive.wait_until(
        lambda: drive.batch_files(tmp_path / "out") or _state(slurm, job)["JobState"] == "FAILED"
    )
    slurm("scontrol", "requeue", job)
    drive.wait_until(lambda: _state(slurm, job)["JobState"] == "PENDING")
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    drive.wait_until(lambda: _state(slurm, job)["JobState"] in ("COMPLETED", "FAILED"))
    assert (_state(slurm, job)["JobState"], _state(slurm, job)["Restarts"]) == ("COMPLETED", "1"), (
        log.read_text()
    )
    assert drive.published(tmp_path / "out") == drive.published(tmp_path / "reference")
    assert "not all of the" not in log.read_text()

    job = slurm(*sbatch, SCRIPT, manifest, "--output", tmp_path / "never", *settings)
    drive.wait_until((tmp_path / "never" / "run.json").exists)
    slurm("scancel", job)
    drive.wait_until(lambda: not slurm("squeue", "--noheader", "--jobs", job))
    assert (_state(slurm, job)["JobState"], _state(slurm, job)["Restarts"]) == ("CANCELLED", "0"), (
        log.read_text()
    )
