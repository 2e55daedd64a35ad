"""Labelled images to train a classifier on: rendered scenes, and corpora of `muse-batch run`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer
from PIL import Image
from torch import Tensor

from jobs.evaluation.cases import Case
from jobs.world.models import CLASSIFIER_SIDE
from muse.classifiers import resize
from muse.emotions import MIKELS
from muse.images import to_tensor
from muse.mini.world.captions import content_prompt, emotion_prompt
from muse.mini.world.contents import PLACES, SUBJECTS, inherent
from muse.mini.world.render import render
from muse.mini.world.scene import sample_scene

CONTENTS = [(place, subject) for place in PLACES for subject in SUBJECTS]


@dataclass(frozen=True)
class LabelledImages:
    """Pixels float (n, 3, h, w) in [0, 1], and the case of each."""

    pixels: Tensor
    cases: list[Case]

    @property
    def labels(self) -> Tensor:
        return torch.tensor([MIKELS.index(case.emotion) for case in self.cases])

    def take(self, index: Sequence[int]) -> LabelledImages:
        return LabelledImages(self.pixels[list(index)], [self.cases[i] for i in index])

    def shrunk(self) -> LabelledImages:
        """The same at the size that classifiers see."""
        return LabelledImages(resize(self.pixels, CLASSIFIER_SIDE), self.cases)


def draw_scenes(count: int, seed: int, natural: bool) -> LabelledImages:
    """`count` rendered scenes, emotions in turn.

    Args:
        natural: whether contents are drawn by how much they evoke the emotion, else uniformly.
    """
    rng, cases, pixels = Random(seed), list[Case](), list[Tensor]()
    probs = [inherent(*content) for content in CONTENTS]
    for i in range(count):
        column = i % len(MIKELS)
        emotion = MIKELS.labels[column]
        weights = [row[column] for row in probs] if natural else None
        place, subject = rng.choices(CONTENTS, weights)[0]
        pixels.append(to_tensor(render(sample_scene(rng, place, subject, [emotion]))))
        cases.append(Case(place, subject, emotion, seed, ""))
    return LabelledImages(torch.stack(pixels), cases)


def write_manifest(file: Path, per_emotion: int, seed: int, named: bool) -> None:
    """Write a manifest of random contents, every emotion equally often.

    Args:
        named: whether the prompt names the emotion.
    """
    rng, rows = Random(seed), list[dict[str, str]]()
    for i in range(per_emotion * len(MIKELS)):
        (place, subject), emotion = rng.choice(CONTENTS), MIKELS.labels[i % len(MIKELS)]
        prompt = content_prompt(place, subject)
        prompt = emotion_prompt(prompt, emotion) if named else prompt
        rows.append({"prompt": prompt, "emotion": emotion, "place": place, "subject": subject})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)


def make_corpus(
    work: Path, name: str, per_emotion: int, seed: int, settings: Sequence[str]
) -> Path:
    """Run `muse-batch run` on a manifest of its own; a finished run is only checked."""
    manifest, out = work / f"{name}.parquet", work / name
    write_manifest(manifest, per_emotion, seed, named=name == "words")
    command = [sys.executable, "-m", "pipeline", "run", str(manifest)]
    command += ["--output", str(out), "--seed", str(seed)]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    return out


def read_corpus(out: Path, min_confidence: float = 0.0) -> LabelledImages:
    """The accepted samples of a run whose judge's confidence is at least `min_confidence`."""
    pixels, cases = list[Tensor](), list[Case]()
    for shard in sorted((out / "shards").glob("*.tar")):
        with tarfile.open(shard) as archive:
            files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        for name in sorted(name for name in files if name.endswith(".json")):
            record = json.loads(files[name])
            if record["judge_confidence"] >= min_confidence:
                image = files[name.removesuffix("json") + "png"]
                pixels.append(to_tensor(Image.open(io.BytesIO(image)).convert("RGB")))
                place, subject = (record["manifest"][key] for key in ("place", "subject"))
                cases.append(Case(place, subject, record["emotion"], record["seed"], ""))
    return LabelledImages(torch.stack(pixels) if pixels else torch.empty(0), cases)


def halves(corpus: LabelledImages, seed: int) -> dict[str, LabelledImages]:
    """Two halves of a corpus of one size: balanced over the emotions, and with natural contents."""
    rng = np.random.default_rng(seed)
    labels = corpus.labels.numpy()
    rarest = int(np.bincount(labels, minlength=len(MIKELS)).min())
    per_emotion = max(1, min(len(labels) // 2 // len(MIKELS), rarest))
    balanced: list[int] = []
    for label in np.unique(labels):
        balanced += rng.permutation(np.flatnonzero(labels == label))[:per_emotion].tolist()
    weights = [
        inherent(case.place, case.subject)[MIKELS.index(case.emotion)] for case in corpus.cases
    ]
    probs = np.array(weights)
    natural = rng.choice(len(labels), len(balanced), replace=False, p=probs / probs.sum())
    return {"balanced": corpus.take(balanced), "natural": corpus.take(natural.tolist())}
