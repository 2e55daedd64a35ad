"""One attempt at a run on a Ray cluster: its command, its name, and what became of it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.job_submission import JobDetails


@dataclass(frozen=True)
class Submission:
    """One attempt at a run, as it is submitted to Ray.

    Attributes:
        address: of the cluster's dashboard, http(s).
        name: of the run: the attempts are NAME-1, NAME-2 and so on.
        entrypoint: the command that runs on the head node.
        runtime_env: Ray's, possibly empty.
    """

    address: str
    name: str
    attempt: int
    entrypoint: tuple[str, ...]
    runtime_env: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.name}-{self.attempt}"


def plan(
    manifest: str,
    output: str,
    flags: Sequence[str],
    address: str,
    working_dir: Path | None = None,
    env: Any = None,
) -> Submission:
    """The first attempt.

    Raises:
        ValueError: a path or flag that cannot work on a cluster, with the remedy.
    """
    if not address.startswith(("http://", "https://")):
        raise ValueError(
            f"--address {address!r}: give that of the cluster's dashboard, as in http://HEAD:8265"
        )
    if not is_lasting(output):
        raise ValueError(
            f"--output {output!r} is relative to a folder that is removed with the job: give a "
            "full path or URL"
        )
    if not is_lasting(manifest) and working_dir is None:
        raise ValueError(
            f"manifest {manifest!r}: give a path or URL that the cluster sees, or --working-dir to "
            "send it"
        )
    if any(flag == "--address" or flag.startswith("--address=") for flag in flags):
        raise ValueError(
            "--address is given twice; the run connects to the cluster of the job by itself"
        )
    entrypoint = ("muse-batch", "run", manifest, "--output", output, "--address", "auto", *flags)
    runtime_env = dict(env or {})
    if working_dir is not None:
        runtime_env["working_dir"] = str(working_dir)
    name = f"muse-batch-{hashlib.sha256(output.encode()).hexdigest()[:12]}"
    return Submission(address, name, 1, entrypoint, runtime_env)


def is_lasting(path: str) -> bool:
    """Whether a path means the same from every folder."""
    return "://" in path or path.startswith("/")


def command(submission: Submission, wait: bool = True) -> list[str]:
    """The `ray job submit` of this attempt."""
    env = (
        ["--runtime-env-json", json.dumps(submission.runtime_env)] if submission.runtime_env else []
    )
    names = ["--address", submission.address, "--submission-id", submission.id]
    no_wait = [] if wait else ["--no-wait"]
    return ["ray", "job", "submit", *names, *env, *no_wait, "--", *submission.entrypoint]


def attempts(jobs: Sequence[JobDetails], name: str) -> list[JobDetails]:
    """The attempts at a run that the cluster knows, the first one first."""
    numbered = [(job.submission_id or "").rpartition("-") for job in jobs]
    ours = [
        (int(number), job)
        for (stem, _, number), job in zip(numbered, jobs, strict=True)
        if stem == name
    ]
    return [job for _, job in sorted(ours, key=lambda pair: pair[0])]


def was_killed(job: JobDetails) -> bool:
    """Whether the job was ended by a signal or by the loss of its node."""
    code = job.driver_exit_code
    return str(job.status) == "FAILED" and (code is None or code < 0 or code > 128)
