"""What is finished of an evaluation, kept in a folder, so that an interrupted one goes on.

FOLDER/evaluation.json tells which evaluation it belongs to. FOLDER/samples/ARM has a file for each
batch: the images, and how each was made. FOLDER/measures/ARM has a file for all cases of an arm,
a setting and a task: every figure an image, and those of all images together. A file is named by
all that its content depends on, is whole or not there, and is never changed: it has a digest of
its place and content.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from jobs.evaluation.arms.models import Arm, Make, Models, pixels_of
from jobs.evaluation.cases import Case
from jobs.evaluation.measures.results import ArmResult
from muse.method import Method
from muse.request import Sample, Trace
from pipeline.errors import UserError
from pipeline.planning.fingerprint import differences, fingerprint
from pipeline.storage.files import first_write, read_json, write_bytes, write_json

FACTS, DIGEST = "facts", "digest"
"""The keys of a file's metadata."""


@dataclass(frozen=True)
class Entry:
    """The content of a file: tensors, and what JSON can hold."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """Samples that were made together, the seconds that it took, and whether it was earlier."""

    samples: Sequence[Sample]
    seconds: float
    is_earlier: bool


class Kept:
    """The finished parts of one evaluation.

    Attributes:
        folder: where they are; None to keep nothing.
        earlier_seconds: that earlier sessions took for the batches that were asked for so far.
    """

    def __init__(self, folder: Path | None = None):
        self.folder, self.earlier_seconds = folder, 0.0

    @classmethod
    def of(cls, folder: Path, configuration: Mapping[str, Any]) -> Kept:
        """Those in a folder, which then belongs to the evaluation with this configuration.

        Args:
            configuration: all that the figures depend on beside arms and cases, as JSON.

        Raises:
            UserError: the folder belongs to another evaluation, or cannot be written.
        """
        file, wanted = folder / "evaluation.json", json.loads(json.dumps(configuration))
        if not file.exists():
            with first_write(folder):
                write_json(file, wanted)
        try:
            found = read_json(file)
        except UserError:
            found = None
        if not isinstance(found, dict) or not found.keys() & wanted.keys():
            raise UserError(f"{file} is damaged, or of something else; give another --work")
        different = differences(found, wanted)
        if different:
            raise UserError(
                f"{folder} belongs to another evaluation ({'; '.join(map(str, different))}); give "
                "the options of that one to go on with it, or another --work"
            )
        return cls(folder)

    def batch(self, arm: Arm, models: Models, method: Method, cases: Sequence[Case]) -> Batch:
        """A batch as it was made earlier, else made now, and kept.

        Raises:
            UserError: its file is damaged, or cannot be written.
            RuntimeError: a request failed.
        """
        batch = self._batch(arm, models, method, cases)
        self.earlier_seconds += batch.seconds if batch.is_earlier else 0.0
        return batch

    def _batch(self, arm: Arm, models: Models, method: Method, cases: Sequence[Case]) -> Batch:
        file = self._file("samples", arm, method, cases)
        if file is not None and file.exists():
            entry = _read(file)
            samples = []
            for pixels, trace in zip(entry.tensors["pixels"], entry.facts["traces"], strict=True):
                samples.append(Sample(pixels, Trace(**trace)))
            return Batch(samples, entry.facts["seconds"], True)
        began = time.monotonic()
        samples = arm(models, method, cases)
        seconds = time.monotonic() - began
        if file is not None:
            # That of a failed request is no result: the next session tries it again.
            pixels_of(samples)
            pixels = torch.stack([sample.pixels for sample in samples if sample.pixels is not None])
            traces = [asdict(sample.trace) for sample in samples]
            _write(file, Entry({"pixels": pixels}, {"traces": traces, "seconds": seconds}))
        return Batch(samples, seconds, False)

    def making(self, arm: Arm) -> Make:
        """The samples of `batch` alone, for an arm that is part of another one."""

        def make(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
            return [*self._batch(arm, models, method, cases).samples]

        return make

    def result(
        self,
        arm: Arm,
        method: Method,
        cases: Sequence[Case],
        samples: Sequence[Sample],
        seconds: float,
    ) -> ArmResult | None:
        """What was measured earlier of these samples; None if it was not.

        Raises:
            UserError: its file is damaged.
        """
        file = self._file("measures", arm, method, cases)
        if file is None or not file.exists():
            return None
        entry = _read(file)
        # The order of the metrics is that of the report.
        values = {name: entry.tensors[name].numpy() for name in entry.facts["metrics"]}
        together = entry.facts["variety"], entry.facts["distance"]
        probs = entry.tensors["probs"].numpy()
        return ArmResult(cases, values, probs, *together, samples, seconds)

    def keep(self, arm: Arm, method: Method, result: ArmResult) -> None:
        """Keep what was measured, but the samples, which are kept already.

        Raises:
            UserError: it cannot be written.
        """
        file = self._file("measures", arm, method, result.cases)
        if file is None:
            return
        tensors = {name: torch.from_numpy(values) for name, values in result.values.items()}
        together = {"variety": result.variety, "distance": result.distance}
        facts = {"metrics": [*result.values], **together}
        _write(file, Entry({**tensors, "probs": torch.from_numpy(result.probs)}, facts))

    def _file(self, kind: str, arm: Arm, method: Method, cases: Sequence[Case]) -> Path | None:
        """The file of some cases of an arm; None where nothing is kept.

        Args:
            method: the given one, of which the arm changes some parameters.
        """
        if self.folder is None:
            return None
        if not arm.name:
            raise ValueError("an arm without a name cannot be kept")
        changed = method.replace(**arm.changes).model_dump()
        digest = fingerprint(
            {"arm": arm.name, "method": changed, "cases": [_facts_of(case) for case in cases]}
        )
        readable = re.sub(r"[^\w.]+", "-", arm.name).strip("-")
        name = f"{cases[0].task}-{len(cases)}-{digest[:32]}.safetensors"
        return self.folder / kind / readable / name


NOTHING = Kept()
"""Keeps nothing."""


def _facts_of(case: Case) -> dict[str, Any]:
    """A case as JSON, the image to edit as its hash."""
    facts = {name: value for name, value in vars(case).items() if name != "source"}
    if case.source is not None:
        facts["source"] = hashlib.sha256(case.source.contiguous().numpy().tobytes()).hexdigest()
    return facts


def _write(file: Path, entry: Entry) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in entry.tensors.items()}
    facts = json.dumps(entry.facts)
    metadata = {FACTS: facts, DIGEST: _digest(file, tensors, facts)}
    try:
        write_bytes(file, safetensors.torch.save(tensors, metadata))
    except OSError as error:
        raise UserError(
            f"{error}; what was finished before is kept: make room, and give the same command again"
        ) from None


def _read(file: Path) -> Entry:
    try:
        with safetensors.safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            metadata = opened.metadata()
        if metadata[DIGEST] != _digest(file, tensors, metadata[FACTS]):
            raise ValueError("it is not what was written there")
        return Entry(tensors, json.loads(metadata[FACTS]))
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise UserError(
            f"{file} is damaged ({error}); remove it, and the same command makes it again"
        ) from None


def _digest(file: Path, tensors: Mapping[str, Tensor], facts: str) -> str:
    """SHA-256, as hex, of what a file holds and of where it is in its folder."""
    place = "/".join(file.parts[-3:])
    return hashlib.sha256(safetensors.torch.save({**tensors}, {place: facts})).hexdigest()
