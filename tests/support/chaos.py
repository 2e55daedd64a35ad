"""Seeded faults against the command, whose shards are compared with those of an undisturbed run.

    python tests/support/chaos.py --faults 200 --seed 1

A round is one run of a manifest under faults of one kind at seeded random instants, resumed until
it is finished. A fault counts if it found something to strike. Each kind must strike an equal share
of all faults: more strikes of one kind do not make up for another. A round is intact if nothing was
lost, nothing was made twice, and no byte of shards/ and metadata.parquet differs.

Most of the time goes into starting Ray, once per run and strike. Rounds share only the machine, so
that some can run at the same time (`--rounds 2`).
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support import drive
from tests.support.stores import Proxy, s3_environment

REQUESTS = 60
LAST_BATCH = REQUESTS // 4 - 1
SETTINGS = (
    "--workers",
    2,
    "--set",
    "request_timeout_s=5",
)
FAULTS = {"delay": 0.15, "failures": 0.1}
"""Faults of the null engine in every run."""
MAX_KILLS = 5
"""Per run: as many as may all hit the same batch and leave no trace
(tests/pipeline/scheduling/test_bisection.py). More may make a run conclude that a request kills."""
SMALL_DISK = "700k"


@dataclass
class Round:
    """The outcome of one run: how many faults struck, and what was wrong (empty for nothing)."""

    kind: str
    faults: int
    wrong: str


def kill_workers(process: subprocess.Popen[str], _: Path, rng: random.Random) -> int:
    """SIGKILL, or SIGSTOP so that it hangs, to one worker after another while the run goes on."""
    struck = 0
    while process.poll() is None and struck < MAX_KILLS:
        time.sleep(rng.uniform(0.2, 2.0))
        if found := drive.workers(process):
            how = signal.SIGSTOP if rng.random() < 0.1 else signal.SIGKILL
            with contextlib.suppress(psutil.NoSuchProcess):
                rng.choice(found).send_signal(how)
                struck += 1
    return struck


def _reached(out: Path) -> int:
    """The highest number of a batch that waits for its shard; -1 for none."""
    return max((int(path.name.partition("-")[0]) for path in drive.batch_files(out)), default=-1)


def await_moment(process: subprocess.Popen[str], out: Path, rng: random.Random) -> None:
    """Wait for a moment to strike: mostly while batches are made and packed.

    By the clock alone, nearly all strikes would hit the start of Ray, where nothing can be lost.
    """
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0.5, 8.0))
        return
    enough = min(_reached(out) + rng.randrange(1, 5), LAST_BATCH)
    while process.poll() is None and _reached(out) < enough:
        time.sleep(0.02)
    time.sleep(rng.uniform(0.0, 0.5))


def kill_driver(process: subprocess.Popen[str], out: Path, rng: random.Random) -> int:
    """SIGKILL to the driver and all that it started."""
    await_moment(process, out, rng)
    if process.poll() is not None:
        return 0
    drive.kill_all(process)
    return 1


def interrupt(process: subprocess.Popen[str], out: Path, rng: random.Random) -> int:
    """SIGTERM or SIGINT to the driver, but not while Python itself is still starting."""
    time.sleep(2.0)
    await_moment(process, out, rng)
    if process.poll() is not None:
        return 0
    process.send_signal(rng.choice([signal.SIGTERM, signal.SIGINT]))
    return 1


def damage(process: subprocess.Popen[str], out: Path, rng: random.Random) -> int:
    """Kill the driver, then damage batches that wait for their shard, or add foreign ones."""
    struck = kill_driver(process, out, rng)
    process.wait()
    for path in drive.batch_files(out) if struck else []:
        if rng.random() < 0.5:
            data = bytearray(path.read_bytes())
            if not data:  # emptied before, and the driver was killed before it cleared up
                continue
            kind = rng.choice(["cut", "flip", "remove", "empty", "stranger"])
            if kind == "remove":
                path.unlink()
            elif kind == "stranger":
                path.with_name(f"{rng.randrange(20):08d}-0123456789abcdef.parquet").write_bytes(
                    data
                )
            else:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                path.write_bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b""}[kind])
            struck += 1
    return struck


# How each kind strikes, and in how many runs of a round.
STRIKES = {
    "worker killed": (kill_workers, 1),
    "driver killed": (kill_driver, 5),
    "interrupted": (interrupt, 5),
    "damaged files": (damage, 4),
}
KINDS = (*STRIKES, "object store", "disk full")
STORE_FAULTS = {"500": 0.03, "503": 0.05, "cut upload": 0.03, "cut download": 0.03}


def _finish(
    manifest: Path,
    out: Path | str,
    go: Callable[[subprocess.Popen[str]], int],
    most: int,
    **options: Any,
) -> tuple[int, str]:
    """Run and resume until the run ends by itself: up to `most` times under `go`, then undisturbed.

    Returns:
        How many faults struck, and what was wrong.
    """
    faults = 0
    for attempt in range(most + 3):
        with drive.started(manifest, out, *SETTINGS, faults=FAULTS, **options) as process:
            if attempt < most:
                faults += go(process)
            try:
                _, stderr = process.communicate(timeout=drive.TIMEOUT_S)
            except subprocess.TimeoutExpired:
                return faults, f"hangs: no end within {drive.TIMEOUT_S} s"
        if "Traceback" in stderr:
            return faults, f"a traceback: {stderr.splitlines()[-1]}"
        if process.returncode in (0, 1) and "stopped: " not in stderr:
            return faults, ""
    return faults, f"did not finish: {stderr.strip().splitlines()[-1]}"


def _on_small_disk(manifest: Path, out: Path, rng: random.Random) -> tuple[int, str]:
    """Ballast leaves too little space; whenever the run stops for that, some of it is removed."""
    where = out.parent / "disk"
    where.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "muse-chaos", where], check=True
    )
    try:
        ballast, faults = where / "ballast", 0
        left = rng.randrange(560_000, 690_000)
        while True:
            ballast.write_bytes(bytes(left))
            done = drive.run_process(manifest, where / "out", *SETTINGS, faults=FAULTS)
            if "No space left on device" not in done.stderr:
                break
            if "bytes were to be written to" not in done.stderr or "Traceback" in done.stderr:
                return faults, f"an unclear end: {done.stderr.strip().splitlines()[-1]}"
            faults, left = faults + 1, max(0, left - rng.randrange(40_000, 120_000))
        ballast.unlink()
        subprocess.run(["cp", "-r", where / "out", out], check=True)
        return faults, "" if done.returncode in (0, 1) else done.stderr.strip()
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def _on_a_store(manifest: Path, out: Path, rng: random.Random) -> tuple[int, str]:
    """The output is in a bucket behind a proxy that breaks requests; it is copied to `out`."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    proxy = Proxy(port, seed=rng.randrange(2**32))
    try:
        environment = s3_environment(proxy.url)
        keys = [
            environment[f"AWS_{name}"]
            for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION")
        ]
        session = boto3.Session(*keys[:2], region_name=keys[2])
        bucket = session.resource("s3", endpoint_url=f"http://127.0.0.1:{port}").Bucket(
            out.parent.name
        )
        bucket.create()
        proxy.rates = STORE_FAULTS
        environment = drive.environment(FAULTS) | environment
        _, wrong = _finish(manifest, f"s3://{bucket.name}/out", lambda _: 0, 0, env=environment)
        for item in bucket.objects.all():
            (path := out.parent / item.key).parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.get()["Body"].read())
        return proxy.counts.total(), wrong
    finally:
        proxy.close()
        server.stop()


def one_round(
    kind: str, seed: int, manifest: Path, reference: dict[str, bytes], folder: Path
) -> Round:
    """One run under faults of a kind, compared to the reference."""
    rng, out = random.Random(f"{kind} {seed}"), folder / "out"
    if kind == "disk full":
        faults, wrong = _on_small_disk(manifest, out, rng)
    elif kind == "object store":
        faults, wrong = _on_a_store(manifest, out, rng)
    else:
        strike, most = STRIKES[kind]
        faults, wrong = _finish(manifest, out, lambda process: strike(process, out, rng), most)
    if not wrong:
        wrong = _compare(out, reference)
    return Round(kind, faults, wrong)


def _compare(out: Path, reference: dict[str, bytes]) -> str:
    found = drive.published(out)
    if missing := sorted(reference.keys() - found.keys()):
        return f"lost: {', '.join(missing)}"
    if more := sorted(found.keys() - reference.keys()):
        return f"too much: {', '.join(more)}"
    if other := sorted(name for name in found if found[name] != reference[name]):
        return f"other bytes: {', '.join(other)}"
    keys = [row["key"] for row in drive.rows(out)]
    return "" if keys == sorted(set(keys)) and len(keys) == REQUESTS else "not every request once"


def chaos(
    faults: int,
    seed: int,
    kinds: tuple[str, ...] = KINDS,
    log: Callable[[str], None] = print,
    parallel: int = 1,
) -> list[Round]:
    """Rounds of each kind in turn, until each has struck its share of `faults`."""
    share = -(-faults // len(kinds))
    struck, begun = Counter[str](), Counter[str]()
    rounds: list[Round] = []
    with (
        tempfile.TemporaryDirectory(prefix="muse-chaos-") as folder,
        ThreadPoolExecutor(parallel) as pool,
    ):
        prompts = [f"a dog, number {n}" for n in range(REQUESTS)]
        manifest = drive.write_manifest(Path(folder) / "manifest.parquet", prompts)
        undisturbed = drive.run_process(
            manifest, Path(folder) / "reference", *SETTINGS, faults=FAULTS
        )
        if (
            "stopped" in undisturbed.stderr
            or not (Path(folder) / "reference" / "metadata.parquet").exists()
        ):
            raise SystemExit(f"the undisturbed run failed: {undisturbed.stderr}")
        reference = drive.published(Path(folder) / "reference")
        going: dict[Future[Round], str] = {}
        while True:
            short = [kind for kind in kinds if struck[kind] < share and kind not in going.values()]
            # What a round does depends on its kind and number, not on the others that are running.
            for kind in sorted(short, key=lambda kind: begun[kind])[: parallel - len(going)]:
                (where := Path(folder) / f"{kind.replace(' ', '-')}-{begun[kind]}").mkdir()
                going[
                    pool.submit(one_round, kind, seed + begun[kind], manifest, reference, where)
                ] = kind
                begun[kind] += 1
            if not going:
                return rounds
            for done in wait(going, return_when=FIRST_COMPLETED).done:
                last = done.result()
                del going[done]
                rounds.append(last)
                struck[last.kind] += last.faults
                progress = f"{last.kind}: {last.faults} faults ({struck[last.kind]} of {share})"
                log(f"round {len(rounds)}, {progress}: {last.wrong or 'intact'}")


def table(rounds: list[Round]) -> str:
    """How often each kind struck, in how many runs, and how many of those stayed intact."""
    faults, intact, all_rounds = Counter[str](), Counter[str](), Counter[str]()
    for one in rounds:
        faults[one.kind] += one.faults
        all_rounds[one.kind] += 1
        intact[one.kind] += not one.wrong
    lines = ["| fault | struck | runs | intact |", "|---|---|---|---|"]
    lines += [
        f"| {kind} | {faults[kind]} | {all_rounds[kind]} | {intact[kind]} |" for kind in all_rounds
    ]
    total = f"| **all** | **{faults.total()}** | **{all_rounds.total()}** | **{intact.total()}** |"
    return "\n".join([*lines, total])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--rounds", type=int, default=1, help="that run at the same time")
    given = parser.parse_args()
    kinds = tuple(given.kinds.split(","))
    if os.geteuid() and "disk full" in kinds:
        print("left out: disk full, for which only root can mount a small file system")
        kinds = tuple(kind for kind in kinds if kind != "disk full")
    rounds = chaos(
        given.faults, given.seed, kinds, lambda line: print(line, flush=True), given.rounds
    )
    print(table(rounds))
    sys.exit(any(one.wrong for one in rounds))


if __name__ == "__main__":
    main()
