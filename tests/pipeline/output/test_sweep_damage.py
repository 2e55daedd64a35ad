"""Each file of a finished and of an unfinished output, damaged in each way, under each command.

No command ends in a traceback, and none accepts damage in silence: either it names the file, or its
result is the one that it has without the damage.

A sample of them runs with the other tests, all of them with the marker `faults`.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import RunStopped
from pipeline.output.run_file import read_run
from pipeline.scheduling.pool import Pool
from pipeline.settings.loading import FAULTS_VARIABLE
from pipeline.storage import lease
from tests.support.local_runs import published, write_rows

STEP = 23
"""Every so many of the cases are in the sample."""
SETTINGS = ["--engine", "null", "--set", "executor=local", "--set", "keep_rejected=true"]
SETTINGS += ["--batch-size", 2, "--shard-size", 2, "--set", "report=false"]
FAULTS = '{"failures": 0.15}'
"""Of the null engine, so that there is something to retry."""


def _gone(path: Path) -> None:
    path.unlink()


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _halved(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flipped(path: Path) -> None:
    """One bit in the middle: of a tar, within an image."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _swapped(path: Path) -> None:
    """With the next file of its kind in its folder; by itself there is none."""
    kind = sorted(path.parent.glob(f"*{path.suffix}"))
    other = kind[(kind.index(path) + 1) % len(kind)]
    mine, others = path.read_bytes(), other.read_bytes()
    path.write_bytes(others)
    other.write_bytes(mine)


DAMAGES = (_gone, _emptied, _halved, _short, _flipped, _swapped)
COMMANDS = ("run", "status", "verify", "refilter", "merge", "retry")

EDITABLE = "README.md"
"""The card, which users edit: `verify` notes that, no other command reads it."""
UNCHECKED = "_state/log.jsonl"
"""No corpus is made from it: a damaged line is counted, a missing one cannot be noticed."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    hurry(monkeypatch)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No watching of other drivers, no renewing of the lease."""
    monkeypatch.setattr(lease, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 1e6)
    monkeypatch.setenv(FAULTS_VARIABLE, FAULTS)


def call(*arguments: object) -> Result:
    """One command within this process, which must not end in a traceback."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), arguments
    return done


class World:
    """A folder with a manifest, the output `out`, and another corpus to merge with."""

    def __init__(self, folder: Path):
        self.folder, self.out = folder, folder / "out"

    def call(self, command: str) -> tuple[Result, object]:
        """How a command ended, and its result, as far as damage could change it."""
        run = ["run", self.folder / "m.parquet", "--output", self.out, *SETTINGS]
        if command == "run":
            return call(*run), self.corpus("out")
        if command == "status":
            done = call("status", self.out, "--json")
            summary = json.loads(done.stdout) if done.exit_code == 0 else {}
            speed = ("worker_seconds", "images_per_worker_second", "damaged_log_lines")
            return done, {name: summary[name] for name in summary if name not in speed}
        if command == "verify":
            return call("verify", self.out), None
        if command == "refilter":
            done = call("refilter", self.out, "--min-confidence", 0.6, "-o", self.folder / "new")
        elif command == "merge":
            done = call("merge", self.folder / "other", self.out, "-o", self.folder / "new")
        else:
            done = call("retry", self.out)
            if done.exit_code == 0:
                call(*run)
            return done, self.corpus("out")
        assert (self.folder / "new").exists() == (done.exit_code == 0)
        return done, self.corpus("new")

    def corpus(self, name: str) -> dict[str, bytes]:
        files = published(self.folder / name) if (self.folder / name / "run.json").exists() else {}
        files.pop(EDITABLE, None)
        return files


class Sweep:
    """The outputs to damage, and what each command makes of them as they are."""

    def __init__(self, folder: Path):
        self.folder, self.world = folder, World(folder / "world")
        self.expected: dict[tuple[str, str], object] = {}
        self.outcomes: Counter[str] = Counter()
        for state in ("finished", "unfinished"):
            world = World(folder / "world")
            shutil.rmtree(world.folder, ignore_errors=True)
            write_rows(world.folder / "m.parquet", 12)
            run = ["run", world.folder / "m.parquet", *SETTINGS, "--output"]
            with patch.object(Pool, "run", _stopping(Pool.run, state == "unfinished")):
                call(*run, world.out)
            assert read_run(world.out).complete == (state == "finished")
            call(*run, world.folder / "other", "--seed", 1)
            shutil.copytree(world.folder, folder / state)
            for command in COMMANDS:
                self.prepare(state)
                self.expected[state, command] = world.call(command)[1]

    def prepare(self, state: str) -> World:
        shutil.rmtree(self.world.folder, ignore_errors=True)
        shutil.copytree(self.folder / state, self.world.folder)
        return self.world

    def cases(self) -> Iterator[tuple[str, str, Callable[[Path], None], str]]:
        """Every state, file, damage and command."""
        for state in ("finished", "unfinished"):
            out = self.folder / state / "out"
            files = sorted(path for path in out.rglob("*") if path.is_file())
            for path, damage, command in itertools.product(files, DAMAGES, COMMANDS):
                yield state, str(path.relative_to(out)), damage, command

    def check(self, state: str, file: str, damage: Callable[[Path], None], command: str) -> None:
        world = self.prepare(state)
        before = (world.out / file).read_bytes()
        damage(world.out / file)
        if (world.out / file).exists() and (world.out / file).read_bytes() == before:
            return  # nothing to swap with
        done, result = world.call(command)
        case = f"{state} {file} {damage.__name__} {command}: {done.output}"
        # A run with failed requests ends with an exit code, too.
        if done.exit_code and (
            command != "run" or re.search("^(error|stopped):", done.stderr, re.M)
        ):
            outcome = "refused"
        elif Path(file).name in done.output:
            outcome = "reported"
        elif result == self.expected[state, command] and command != "verify":
            outcome = "right all the same"
        elif file == UNCHECKED:
            outcome = "log"
        elif file.startswith("_state/batches/") and command == "status":
            # It counts as not made, which the next run makes true.
            assert result["done"] < self.expected[state, command]["done"], case
            outcome = "batch that is made again"
        else:
            # A run and its status check the sizes of the tars alone: verify reads them.
            assert file.endswith(".tar"), case
            assert damage in (_flipped, _swapped), case
            assert command in ("run", "status"), case
            outcome = "tar that is not read"
        self.outcomes[outcome] += 1


def _stopping(run: Callable[..., object], early: bool) -> Callable[..., object]:
    """The pool's loop; early, it stops after some batches."""

    def stopping(pool: Pool, todo: Iterator[object], *arguments: object) -> object:
        return run(pool, _first(todo, 4) if early else todo, *arguments)

    return stopping


def _first(todo: Iterator[object], count: int) -> Iterator[object]:
    yield from itertools.islice(todo, count)
    raise RunStopped("stopped by the test")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    with pytest.MonkeyPatch.context() as context:
        hurry(context)
        return Sweep(tmp_path_factory.mktemp("sweep"))


def test_a_sample_of_damage_is_never_accepted_in_silence(sweep):
    for case in itertools.islice(sweep.cases(), 0, None, STEP):
        sweep.check(*case)
    assert sweep.outcomes["refused"] > 10


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_no_damage_is_accepted_in_silence(sweep):
    for case in sweep.cases():
        sweep.check(*case)
    print(f"damage: {sweep.outcomes.total()} cases: {dict(sweep.outcomes)}")
