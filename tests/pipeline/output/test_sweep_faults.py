"""Each command, with each fault at each of its file operations, and then the same command again.

A kill leaves the files as they are at that moment. So one pass of a command notes them before each
operation, and each state that differs is put back and gone on from; real kills of some operations
show that they leave these states. Under every other fault the command itself goes on: it runs once
for each operation, and what it leaves is gone on from unless another fault has left the same.

A sample of all that runs with the other tests; every fault at every operation has the marker
`faults`.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
from pipeline.output.run.run_file import read_run
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage import lease
from tests.support.faulty_disk import KILLS, READING, Fault, FaultyDisk, Operation
from tests.support.local_runs import run_locally, stop_at, write_rows

SETTINGS = {"batch_size": 2, "shard_size": 2, "min_confidence": 0.4, "keep_rejected": True}
REQUESTS = 6
MISSING = (1, 4)
"""Rows whose source image does not exist in the run that `retry` reopens."""
STEP = 29
"""Every so many of the states and operations are in the sample."""
LOG = "_state/log.jsonl"
OTHERS = [fault for fault in Fault if fault not in KILLS]


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
                Image.new("RGB", (16, 16), (25 * number, 0, 0)).save(path)
        self._make(out, stop, seed)

    def fail(self) -> None:
        """A run of which requests fail: one image does not exist, the other one is none."""
        missing, broken = (self.folder / f"{number}.png" for number in MISSING)
        missing.unlink(missing_ok=True)
        broken.write_bytes(b"no image")
        self._make("out", None, 0)
        assert (read_run(self.out).counts or {})["failed"] == len(MISSING)

    def _make(self, out: str, stop: int | None, seed: int) -> None:
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

    def sources(self) -> dict[str, State]:
        return {name: state_of(self.folder / name) for name in ("one", "two")}


COMMANDS: dict[str, Callable[[World], None]] = {
    "run": World.run,
    "fail": World.fail,
    "resume": World.run,
    "retry": World.retry,
    "refilter": World.refilter,
    "merge": World.merge,
}

State = Mapping[str, bytes | None]
"""The content of each file of a folder, and None for each folder in it."""


def state_of(folder: Path) -> State:
    state: dict[str, bytes | None] = {}
    for path in folder.rglob("*"):
        state[str(path.relative_to(folder))] = None if path.is_dir() else path.read_bytes()
    return state


def put_back(state: State, folder: Path) -> None:
    """Make the folder what it was; files that are so already are left alone."""
    now = state_of(folder)
    for name in sorted(now.keys() - state.keys(), reverse=True):
        (folder / name).rmdir() if now[name] is None else (folder / name).unlink()
    for name, content in sorted(state.items()):
        if name in now and now[name] == content:
            continue
        if content is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    if not state:
        shutil.rmtree(folder, ignore_errors=True)


def identity(state: State) -> str:
    """The same for states that differ only in times, random names and the token of the lease."""
    digest = hashlib.sha256()
    named = ((re.sub(r"[0-9a-f]{32}", "RANDOM", name), name) for name in state)
    for shown, name in sorted(named):
        content = state[name]
        if content and ("lease.json" in name or name == LOG):
            content = b"%d lines" % content.count(b"\n")
        digest.update(repr((shown, content)).encode())
    return digest.hexdigest()


def published(state: State) -> State:
    """A state without what may differ after the same command."""
    return {name: content for name, content in state.items() if content is not None and name != LOG}


@dataclass
class Pass:
    """A command that nothing disturbs: its operations, the states before each, what it leads to."""

    operations: list[Operation] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    end: State = field(default_factory=dict)

    def torn(self, number: int, folder: Path) -> State:
        """The state that a kill within a write leaves."""
        operation, before = self.operations[number], self.states[number]
        name = os.path.relpath(operation.path, folder)
        half = operation.data[: len(operation.data) // 2]
        return {**before, name: (before[name] or b"") + half}


@dataclass
class Sweep:
    """A world as it is before each command, and what each command does to it."""

    before: dict[str, Path]
    world: World
    prepared: str = ""
    outputs: dict[str, State] = field(default_factory=dict)
    passes: dict[str, Pass] = field(default_factory=dict)

    def prepare(self, command: str) -> World:
        """The world before the command; always in the same folder, which run.json names."""
        if self.prepared == command:
            # Nothing else may have changed, which `sources` is compared for in the end.
            put_back(self.outputs[command], self.world.out)
            return self.world
        shutil.rmtree(self.world.folder, ignore_errors=True)
        shutil.copytree(self.before[command], self.world.folder)
        self.prepared, self.outputs[command] = command, state_of(self.world.out)
        return self.world

    def check_sources(self, command: str) -> None:
        """No fault has changed the corpora that the command reads."""
        assert self.world.sources() == World(self.before[command]).sources()

    def undisturbed(self, command: str) -> Pass:
        if command not in self.passes:
            world, done = self.prepare(command), Pass()

            def note(operation: Operation) -> None:
                if done.operations and done.operations[-1].name in READING:
                    done.states.append(done.states[-1])
                else:
                    # Paused, or the disk would count that, too.
                    with disk.paused():
                        done.states.append(state_of(world.out))
                done.operations.append(operation)

            disk = FaultyDisk(world.out, before=note)
            with disk.installed():
                COMMANDS[command](world)
            assert verify(world.out) == []
            done.end = state_of(world.out)
            self.passes[command] = done
        return self.passes[command]

    def go_on(self, command: str, state: State, case: object) -> None:
        """The command on the files as a fault left them: the same as if nothing had happened."""
        put_back(state, self.world.out)
        COMMANDS[command](self.world)
        assert published(state_of(self.world.out)) == published(self.passes[command].end), case


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
                    world.run(stop=2)
            if command == "retry":
                world.run(images=False)
            if command in ("refilter", "merge"):
                world.run("one", images=False)
            if command == "merge":
                world.run("two", seed=1)
            before[command] = world.folder
        return Sweep(before, World(tmp_path_factory.mktemp("work") / "world"))


def _go_on_from_kills(sweep: Sweep, command: str, step: int) -> None:
    """Every state in which a kill leaves the files, or every so many of them."""
    done = sweep.undisturbed(command)
    different = {id(state): state for state in done.states}
    states = {identity(state): state for state in different.values()}
    for number, operation in enumerate(done.operations):
        if operation.suffers(Fault.TORN):
            torn = done.torn(number, sweep.world.out)
            states[identity(torn)] = torn
    sweep.prepare(command)
    for number, state in enumerate(itertools.islice(states.values(), 0, None, step)):
        sweep.go_on(command, state, (command, "killed in state", number * step))
    sweep.check_sources(command)
    kills = 2 * len(done.operations) + sum(o.suffers(Fault.TORN) for o in done.operations)
    print(
        f"{command}: {len(done.operations)} operations, {kills} kills before, after and within "
        f"them, which leave {len(states)} states; gone on from {number + 1} of these"
    )


def _strike(
    sweep: Sweep, command: str, strikes: Iterable[tuple[int, Fault]], done: Pass
) -> Counter[str]:
    """Each of these faults, and then the command again unless that has been done for its state."""
    counts, seen = Counter[str](), set[str]()
    expected_errors = (KeyboardInterrupt, OSError, RunStopped, UserError)
    for at, fault in strikes:
        if not done.operations[at].suffers(fault):
            continue
        world = sweep.prepare(command)
        with FaultyDisk(world.out, at, fault).installed(), suppress(*expected_errors):
            COMMANDS[command](world)
        counts[fault.value] += 1
        state = state_of(world.out)
        if identity(state) not in seen:
            seen.add(identity(state))
            sweep.go_on(command, state, (command, at, done.operations[at].name, fault.value))
    sweep.check_sources(command)
    print(f"{command}: {counts.total()} faults {dict(counts)}, which leave {len(seen)} states")
    return counts


@pytest.mark.parametrize("command", COMMANDS)
def test_a_sample_of_faults_changes_no_byte(sweep, command):
    done = sweep.undisturbed(command)
    _go_on_from_kills(sweep, command, STEP)
    _strike(sweep, command, _in_turn(len(done.operations), STEP), done)


def _in_turn(operations: int, step: int) -> Iterable[tuple[int, Fault]]:
    """The operations, or every so many; the kinds of faults take turns."""
    return zip(range(0, operations, step), itertools.cycle(OTHERS), strict=False)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_fault_at_any_operation_changes_a_byte(sweep, command):
    done = sweep.undisturbed(command)
    _go_on_from_kills(sweep, command, 1)
    _strike(sweep, command, itertools.product(range(len(done.operations)), OTHERS), done)


@pytest.mark.faults
@pytest.mark.parametrize("command", COMMANDS)
def test_a_real_kill_leaves_the_state_that_the_pass_noted(sweep, command):
    """A process of its own is killed at some of the operations."""
    done = sweep.undisturbed(command)
    for number, at in enumerate(range(7, len(done.operations), 3 * STEP)):
        fault = KILLS[number % len(KILLS)]
        if not done.operations[at].suffers(Fault.TORN) and fault is Fault.TORN:
            fault = Fault.KILLED_BEFORE
        world = sweep.prepare(command)
        child = os.fork()
        if not child:
            signal.alarm(60)
            with FaultyDisk(world.out, at, fault).installed():
                COMMANDS[command](world)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        if fault is Fault.TORN:
            expected = done.torn(at, world.out)
        else:
            expected = done.states[at + (fault is Fault.KILLED_AFTER)]
        assert identity(state_of(world.out)) == identity(expected), (at, fault)
