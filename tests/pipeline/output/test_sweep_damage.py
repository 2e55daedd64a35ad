"""Each file of a finished and of an unfinished output, damaged in each way, under each command.

No command ends in a traceback, and none accepts damage in silence: either it names the file or its
shard, or its result is the one that it has without the damage.

A sample of them runs with the other tests, all of them with the marker `faults`.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from pipeline.classifier.datasets import read_labelled
from pipeline.cli import app
from pipeline.errors import RunStopped, UserError
from pipeline.output.integrity import TAR
from pipeline.output.run.run_file import RUN_FILE, read_run
from pipeline.scheduling.pool import Pool
from pipeline.storage import lease
from pipeline.storage.files import write_json
from tests.support.local_runs import published, write_rows

STEP = 101
"""Every so many of the cases are in the sample."""
SETTINGS = ["--engine", "null", "--set", "executor=local", "--set", "keep_rejected=true"]
SETTINGS += ["--batch-size", 2, "--shard-size", 3, "--set", "report=false"]


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


def _piped(path: Path) -> None:
    """A pipe in its place: who opens it may wait for ever."""
    path.unlink()
    os.mkfifo(path)


DAMAGES = (_gone, _emptied, _halved, _short, _flipped, _swapped, _piped)
COMMANDS = (
    "run",
    "status",
    "verify",
    "show",
    "report",
    "refilter",
    "merge",
    "retry",
    "export",
    "publish",
    "fit",
)
"""All commands that read an output. `plan` and `submit` do not, and of `classifier fit` only the
reader of its data does."""

STATES = ("finished", "unfinished", "reopened")
"""Of an output: complete; stopped midway by a kill, which leaves the lease; after `retry`."""

EDITABLE = "README.md"
"""The card, which users edit: `verify` notes that, no other command reads it."""
PASSING = ("_state/log.jsonl", "_state/lease.json")
"""No corpus is made from them: a damaged line of the log is counted, no more."""
WORK = ("_state/batches/", "_state/source_images/")
"""Of an unfinished run. `verify` names what is damaged; what is gone is as if not made yet."""
INDEX = re.compile(r"[^/]+|shards/sizes\.json")
"""Of a reopened run, it is that of the corpus before, and is written again."""
ROWS, MISSING, SHOWN = 10, 4, f"{0:012d}"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    hurry(monkeypatch)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No watching of other drivers, no renewing of the lease."""
    monkeypatch.setattr(lease, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 1e6)


def call(*arguments: object) -> Result:
    """One command within this process, which must not end in a traceback."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), arguments
    return done


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, what it printed, and what came of it."""

    code: int
    printed: str
    result: object = None


class World:
    """A folder with a manifest, the output `out`, and another corpus to merge with."""

    def __init__(self, folder: Path):
        self.folder, self.out = folder, folder / "out"

    def run(self, name: str = "out", *more: object) -> Outcome:
        done = call("run", self.folder / "m.parquet", "-o", self.folder / name, *SETTINGS, *more)
        return Outcome(done.exit_code, done.output, self.corpus(name))

    def call(self, command: str) -> Outcome:
        """How a command ended, as far as damage could change it."""
        if command == "run":
            return self.run()
        if command == "fit":
            return self.fit()
        if command == "status":
            done = call("status", self.out, "--json")
            summary = json.loads(done.stdout) if done.stdout else {}
            speed = ("worker_seconds", "images_per_worker_second", "stopped", "damaged_log_lines")
            kept = {name: summary[name] for name in summary if name not in speed}
            return Outcome(done.exit_code, done.output, kept)
        if command in ("verify", "report"):
            done = call(command, self.out)
            return Outcome(done.exit_code, done.output)
        if command == "show":
            done = call("show", self.out, SHOWN)
            return Outcome(done.exit_code, done.output, done.stdout)
        if command == "publish":
            done = call("publish", self.out, "owner/name", "--dry-run")
            return Outcome(done.exit_code, done.output, done.stdout)
        if command == "export":
            done = call("export", self.out, "--to", "imagefolder", "-o", self.folder / "new")
            return Outcome(done.exit_code, done.output, files_of(self.folder / "new"))
        if command == "retry":
            done = call("retry", self.out)
            if done.exit_code:
                return Outcome(done.exit_code, done.output)
            again = self.run()
            return Outcome(again.code, done.output + again.printed, again.result)
        if command == "refilter":
            done = call("refilter", self.out, "--min-confidence", 0.6, "-o", self.folder / "new")
        else:
            done = call("merge", self.folder / "other", self.out, "-o", self.folder / "new")
        assert (self.folder / "new").exists() == (done.exit_code == 0)
        return Outcome(done.exit_code, done.output, self.corpus("new"))

    def fit(self) -> Outcome:
        """What `classifier fit` reads of the output."""
        try:
            images = [(image.name, image.label, image.image) for image in read_labelled(self.out)]
        except UserError as error:
            return Outcome(2, str(error))
        return Outcome(0, "", images)

    def corpus(self, name: str) -> dict[str, bytes]:
        files = published(self.folder / name) if (self.folder / name / "run.json").exists() else {}
        files.pop(EDITABLE, None)
        return files


class Sweep:
    """The outputs to damage, and what each command makes of them as they are."""

    def __init__(self, folder: Path):
        self.folder, self.world = folder, World(folder / "world")
        self.undamaged: dict[tuple[str, str], Outcome] = {}
        self.counts: Counter[str] = Counter()
        for state in STATES:
            self._build(state)

    def _build(self, state: str) -> None:
        """An output in one of the states, in which a source image is missing if it is complete."""
        world = World(self.folder / "world")
        shutil.rmtree(world.folder, ignore_errors=True)
        images = [f"{n}.png" if n in (1, MISSING) else None for n in range(ROWS)]
        write_rows(world.folder / "m.parquet", ROWS, image=images)
        for name in ("1.png", *([f"{MISSING}.png"] if state == "unfinished" else [])):
            Image.new("RGB", (64, 64), (200, 0, 0)).save(world.folder / name)
        with patch.object(Pool, "run", _stopping(Pool.run, state == "unfinished")):
            world.run()
        if state == "reopened":
            call("retry", world.out)
        if state == "unfinished":
            write_json(lease.lease_file(world.out), {"token": "0", "count": 1})
        assert read_run(world.out).complete == (state == "finished")
        world.run("other", "--seed", 1)
        shutil.copytree(world.folder, self.folder / state)

    def prepare(self, state: str) -> World:
        shutil.rmtree(self.world.folder, ignore_errors=True)
        shutil.copytree(self.folder / state, self.world.folder)
        return self.world

    def without_damage(self, state: str, command: str) -> Outcome:
        if (state, command) not in self.undamaged:
            self.undamaged[state, command] = self.prepare(state).call(command)
        return self.undamaged[state, command]

    def cases(self) -> Iterator[tuple[str, str, Callable[[Path], None], str]]:
        """Every state, file, damage and command."""
        for state in STATES:
            out = self.folder / state / "out"
            files = sorted(path for path in out.rglob("*") if path.is_file())
            for path, damage, command in itertools.product(files, DAMAGES, COMMANDS):
                yield state, str(path.relative_to(out)), damage, command

    def check(self, state: str, file: str, damage: Callable[[Path], None], command: str) -> None:
        undamaged = self.without_damage(state, command)
        world = self.prepare(state)
        damage(world.out / file)
        damaged = changed(self.folder / state / "out", world.out)
        if not damaged:
            return  # nothing to swap with
        case = f"{state} {file} {damage.__name__} {command}"
        done = world.call(command)
        kind = kind_of(state, damaged, command, done, undamaged)
        assert kind, f"{case}: exit {done.code}: {done.printed}"
        self.counts[kind] += 1


def kind_of(
    state: str, damaged: Sequence[str], command: str, done: Outcome, undamaged: Outcome
) -> str:
    """What became of the damage; empty if it was accepted in silence, or not named."""
    file = damaged[0]
    usual = undamaged.printed.splitlines()
    unusual = [line for line in done.printed.splitlines() if line not in usual]
    if names_one("\n".join(unusual), damaged):
        is_refusal = done.code not in (0, undamaged.code) or done.code == 2
        return "refused by name" if is_refusal else "reported by name"
    is_same = (done.code, done.result) == (undamaged.code, undamaged.result)
    if command == "verify":
        is_rewritten = INDEX.fullmatch(file) and file != RUN_FILE and state != "finished"
        is_no_part = is_rewritten or file.startswith((*PASSING, *WORK))
        return "no part of a corpus" if is_no_part and is_same else ""
    if is_same:
        # A complete corpus is read whole, and so are the sources of another one.
        is_tar = file.endswith(TAR) and command == "status"
        return "sizes alone, as it says" if is_tar else "the same as without damage"
    if file.startswith("_state/batches/") and command in ("status", "show"):
        # It counts as not made, which the next run makes true.
        if command == "status":
            assert done.result["done"] < undamaged.result["done"]
        else:
            assert "is planned, but not finished yet" in done.printed
        return "batch that is made again"
    return ""


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(before: Path, after: Path) -> list[str]:
    """The files of a folder that are others now, or gone."""
    names = []
    for path in sorted(path for path in before.rglob("*") if path.is_file()):
        name = str(path.relative_to(before))
        now = (after / name).read_bytes() if (after / name).is_file() else None
        if now != path.read_bytes():
            names.append(name)
    return names


def names_one(printed: str, files: Sequence[str]) -> bool:
    """Whether a message names one of the files, or a file of the same shard."""
    numbers = (re.search(r"(?:shards|rejected)/(\d+)", file) for file in files)
    names = [Path(file).name for file in files] + [match[1] for match in numbers if match]
    return any(name in printed for name in names)


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
    assert sweep.counts["refused by name"] > 5


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_no_damage_is_accepted_in_silence(sweep):
    sweep.counts.clear()
    for case in sweep.cases():
        sweep.check(*case)
    print(f"damage: {sweep.counts.total()} cases: {dict(sweep.counts)}")
