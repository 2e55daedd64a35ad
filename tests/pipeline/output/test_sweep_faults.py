"""Each command, with each fault at each of its file operations, and then the same command again.

A sample of them runs with the other tests, all of them with the marker `faults`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from pipeline.corpora.merge import merge
from pipeline.corpora.refilter import refilter
from pipeline.corpora.retry import reopen
from pipeline.corpora.verify import verify
from pipeline.errors import RunStopped, UserError
from pipeline.output.run_file import read_run
from pipeline.scheduling.local_executor import LocalExecutor
from pipeline.storage import lease
from tests.support.faulty_disk import Fault, FaultyDisk, Killed
from tests.support.local_runs import run_locally, stop_at, write_rows

SETTINGS = {"batch_size": 2, "shard_size": 3, "min_confidence": 0.4, "keep_rejected": True}
REQUESTS = 8
MISSING = (3, 6)
"""Rows whose source image does not exist in the run that `retry` reopens."""
STEP = 37
"""Every so many of the operations are in the sample."""


@dataclass(frozen=True)
class World:
    """A folder with all that the commands work on: `out` is what they change."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def run(
        self, out: str = "out", stop: int | None = None, images: bool = True, seed: int = 0
    ) -> None:
        for number in MISSING:
            path = self.folder / f"{number}.png"
            path.unlink(missing_ok=True)
            if images:
                Image.new("RGB", (64, 64), (25 * number, 0, 0)).save(path)
        executor = LocalExecutor(before_task=stop_at(stop))
        run_locally(
            self.folder / "m.parquet", self.folder / out, executor, print, seed=seed, **SETTINGS
        )

    def retry(self) -> None:
        if read_run(self.out).complete:
            reopen(self.out)
        self.run()

    def refilter(self) -> None:
        refilter(self.folder / "one", self.out, [], {"min_confidence": 0.6}, print)

    def merge(self) -> None:
        merge([self.folder / "one", self.folder / "two"], self.out)

    def files(self, name: str = "out") -> dict[str, bytes]:
        """All files of a folder, except the log and the settings of the run."""
        folder = self.folder / name
        files = {
            str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
        }
        files.pop("_state/log.jsonl", None)
        return files


COMMANDS: dict[str, Callable[[World], None]] = {
    "run": World.run,
    "resume": World.run,
    "retry": World.retry,
    "refilter": World.refilter,
    "merge": World.merge,
}


@dataclass
class Sweep:
    """A world as it is before each command, and what it is after it without any fault."""

    before: dict[str, Path]
    world: World
    expected: dict[str, dict[str, bytes]] = field(default_factory=dict)
    operations: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    _hurry(monkeypatch)


def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No watching of other drivers, no renewing of the lease."""
    monkeypatch.setattr(lease, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 1e6)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    with pytest.MonkeyPatch.context() as context:
        _hurry(context)
        before = {}
        for command in COMMANDS:
            world = World(tmp_path_factory.mktemp(command) / "world")
            images = [f"{n}.png" if n in MISSING else None for n in range(REQUESTS)]
            write_rows(world.folder / "m.parquet", REQUESTS, image=images)
            if command == "resume":
                with suppress(RunStopped):
                    world.run(stop=3)
            if command == "retry":
                world.run(images=False)
            if command in ("refilter", "merge"):
                world.run("one", images=False)
            if command == "merge":
                world.run("two", seed=1)
            before[command] = world.folder
        return Sweep(before, World(tmp_path_factory.mktemp("work") / "world"))


def _prepare(sweep: Sweep, command: str) -> World:
    """The world as it is before the command; always in the same folder, which run.json names."""
    shutil.rmtree(sweep.world.folder, ignore_errors=True)
    shutil.copytree(sweep.before[command], sweep.world.folder)
    return sweep.world


def _undisturbed(sweep: Sweep, command: str) -> None:
    """Note what the command does and leads to."""
    if command not in sweep.expected:
        world = _prepare(sweep, command)
        with FaultyDisk(world.out).installed() as disk:
            COMMANDS[command](world)
        assert verify(world.out) == []
        sweep.expected[command], sweep.operations[command] = world.files(), disk.operations


def _strike(sweep: Sweep, command: str, at: int, fault: Fault) -> None:
    """The command under the fault, then without it: the same files as if nothing had happened."""
    world = _prepare(sweep, command)
    sources = {name: world.files(name) for name in ("one", "two")}
    expected_errors = (Killed, KeyboardInterrupt, OSError, RunStopped, UserError)
    with FaultyDisk(world.out, at, fault).installed(), suppress(*expected_errors):
        COMMANDS[command](world)
    COMMANDS[command](world)
    assert world.files() == sweep.expected[command], (command, at, fault.value)
    assert {name: world.files(name) for name in ("one", "two")} == sources


def _strike_in_turn(sweep: Sweep, command: str, step: int) -> None:
    """One kind of fault at each of the operations, or of every so many; the kinds take turns."""
    _undisturbed(sweep, command)
    faults = [*Fault]
    operations = sweep.operations[command]
    for number, at in enumerate(range(0, len(operations), step)):
        _strike(sweep, command, at, faults[number % len(faults)])
    print(f"{command}: a fault at {number + 1} of {len(operations)} operations")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_sample_of_faults_changes_no_byte(sweep, command):
    _strike_in_turn(sweep, command, STEP)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_fault_at_any_operation_changes_no_byte(sweep, command):
    _strike_in_turn(sweep, command, 1)


@pytest.mark.exhaustive
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_kind_of_fault_at_any_operation_changes_a_byte(sweep, command, fault):
    _undisturbed(sweep, command)
    operations = sweep.operations[command]
    for at in range(len(operations)):
        _strike(sweep, command, at, fault)
    print(f"{command}: {fault.value} each of {len(operations)} operations: {Counter(operations)}")
