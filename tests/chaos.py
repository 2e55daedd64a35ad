"""Chaos, counted: seeded faults against the real command, and the shards held against those of an undisturbed run.

    python tests/chaos.py --faults 200 --seed 1

A round is one run of a manifest, resumed until it is finished, under faults of one kind at seeded random instants.
Every fault that struck is counted; one that found nobody to strike is not. A round is sound if nothing was lost,
nothing made twice, and no byte of shards/ and metadata.parquet differs.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import drive

REQUESTS = 60
SETTINGS = ("--workers", 2, "--set", "null.delay=0.15", "--set", "null.failures=0.1", "--set", "request_seconds=3")
SMALL_DISK = "700k"


@dataclass
class Round:
    """What came of one run under faults: how many struck, and what was wrong in the end (empty: nothing)."""

    kind: str
    faults: int
    wrong: str


def kill_workers(process: subprocess.Popen[str], _: Path, rng: random.Random) -> int:
    """SIGKILL, or SIGSTOP to have it hang, to one worker after another for as long as the run goes; up to ten."""
    struck = 0
    while process.poll() is None and struck < 10:
        time.sleep(rng.uniform(0.2, 2.0))
        if found := drive.workers(process):
            rng.choice(found).send_signal(signal.SIGSTOP if rng.random() < 0.1 else signal.SIGKILL)
            struck += 1
    return struck


def kill_driver(process: subprocess.Popen[str], _: Path, rng: random.Random) -> int:
    """SIGKILL to the driver and all that it started, at any moment from its first second on."""
    time.sleep(rng.uniform(0.5, 12.0))
    if process.poll() is not None:
        return 0
    drive.kill_all(process)
    return 1


def interrupt(process: subprocess.Popen[str], _: Path, rng: random.Random) -> int:
    """SIGTERM or SIGINT to the driver."""
    time.sleep(rng.uniform(2.0, 12.0))
    if process.poll() is not None:
        return 0
    process.send_signal(rng.choice([signal.SIGTERM, signal.SIGINT]))
    return 1


def damage(process: subprocess.Popen[str], out: Path, rng: random.Random) -> int:
    """Kill the driver, then spoil batches that wait for their shard: cut, flipped, emptied, gone, a stranger beside."""
    struck = kill_driver(process, out, rng)
    process.wait()
    for path in drive.batch_files(out) if struck else []:
        if rng.random() < 0.5:
            data = bytearray(path.read_bytes())
            kind = rng.choice(["cut", "flip", "remove", "empty", "stranger"])
            if kind == "remove":
                path.unlink()
            elif kind == "stranger":
                path.with_name(f"{rng.randrange(20):08d}-0123456789abcdef.parquet").write_bytes(data)
            else:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                path.write_bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b""}[kind])
            struck += 1
    return struck


# How a kind strikes, and in how many of a round's runs.
STRIKES = {
    "worker killed": (kill_workers, 1),
    "driver killed": (kill_driver, 5),
    "interrupted": (interrupt, 5),
    "damaged files": (damage, 4),
}
KINDS = (*STRIKES, "disk full")


def _finish(manifest: Path, out: Path, go: Callable[[subprocess.Popen[str]], int], most: int) -> tuple[int, str]:
    """Run, under `go` up to `most` times and then undisturbed, until it ends by itself; gives faults and complaint."""
    faults = 0
    for attempt in range(most + 3):
        with drive.started(manifest, out, *SETTINGS) as process:
            if attempt < most:
                faults += go(process)
            _, told = process.communicate(timeout=drive.PATIENCE)
        if "Traceback" in told:
            return faults, f"a traceback: {told.splitlines()[-1]}"
        if process.returncode in (0, 1) and "stopped: " not in told:
            return faults, ""
    return faults, f"did not finish: {told.strip().splitlines()[-1]}"


def _on_small_disk(manifest: Path, out: Path, rng: random.Random) -> tuple[int, str]:
    """Ballast leaves too little room at first; every time the run stops for that, some of it is taken away."""
    where = out.parent / "disk"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "muse-chaos", where], check=True)
    try:
        ballast, faults = where / "ballast", 0
        left = rng.randrange(560_000, 690_000)
        while True:
            ballast.write_bytes(bytes(left))
            done = drive.run(manifest, where / "out", *SETTINGS)
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


def one_round(kind: str, seed: int, manifest: Path, reference: dict[str, bytes], folder: Path) -> Round:
    """One run under faults of a kind, compared to the reference."""
    rng, out = random.Random(f"{kind} {seed}"), folder / "out"
    if kind == "disk full":
        faults, wrong = _on_small_disk(manifest, out, rng)
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


def chaos(faults: int, seed: int, kinds: tuple[str, ...] = KINDS, say: Callable[[str], None] = print) -> list[Round]:
    """Rounds of each kind in turn, until so many faults have struck."""
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="muse-chaos-") as folder:
        prompts = [f"a dog, number {n}" for n in range(REQUESTS)]
        manifest = drive.write_manifest(Path(folder) / "manifest.parquet", prompts)
        undisturbed = drive.run(manifest, Path(folder) / "reference", *SETTINGS)
        if "stopped" in undisturbed.stderr or not (Path(folder) / "reference" / "metadata.parquet").exists():
            raise SystemExit(f"the undisturbed run failed: {undisturbed.stderr}")
        reference = drive.published(Path(folder) / "reference")
        while sum(each.faults for each in rounds) < faults:
            number = len(rounds)
            where = Path(folder) / f"round{number}"
            where.mkdir()
            rounds.append(one_round(kinds[number % len(kinds)], seed + number, manifest, reference, where))
            last, total = rounds[-1], sum(each.faults for each in rounds)
            say(f"round {number}: {last.kind}, {last.faults} faults ({total} of {faults}): {last.wrong or 'sound'}")
    return rounds


def table(rounds: list[Round]) -> str:
    faults, sound, all_rounds = Counter[str](), Counter[str](), Counter[str]()
    for each in rounds:
        faults[each.kind] += each.faults
        all_rounds[each.kind] += 1
        sound[each.kind] += not each.wrong
    lines = ["| fault | struck | runs | sound |", "|---|---|---|---|"]
    lines += [f"| {kind} | {faults[kind]} | {all_rounds[kind]} | {sound[kind]} |" for kind in all_rounds]
    total = f"| **all** | **{faults.total()}** | **{all_rounds.total()}** | **{sound.total()}** |"
    return "\n".join([*lines, total])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    given = parser.parse_args()
    rounds = chaos(given.faults, given.seed, tuple(given.kinds.split(",")), lambda line: print(line, flush=True))
    print(table(rounds))
    sys.exit(any(each.wrong for each in rounds))


if __name__ == "__main__":
    main()
