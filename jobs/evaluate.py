"""Arms against each other under the examiner: `python -m jobs.evaluate --json build/evaluate.json`.

Every arm makes the same requests from the same seeds, so the starting noise is the same.

- `plain`: the content alone, in words.
- `prompted`: the emotion asked for by its name.
- `oracle`: the target's visual factors in words; what the text space can express at all.
- `muse`: the method.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from manifests.read import check, rows_of
from muse.backbones import load_backbone
from muse.classifiers import FolderClassifier, load_image_model
from muse.emotions import MIKELS, Target
from muse.engine import MuseEngine
from muse.method import Method
from muse.mini import WEIGHTS
from muse.mini.contents import PLACES, SUBJECTS, leaning
from muse.mini.scenes import SIZE, content_prompt, emotion_prompt, factor_prompt, render, sample_scene
from muse.rows import Request, Sample
from muse.similarity import ClipSimilarity, similarity
from pipeline.config import Config, load_config
from pipeline.images import open_source, to_tensor
from pipeline.plan import plan_requests
from pipeline.run import folder_of

BATCH = 16
PLAIN = {"timing": "never"}


@dataclass(frozen=True)
class Case:
    """One thing to make, in the terms of every arm."""

    place: str
    subject: str
    emotion: str
    seed: int
    oracle: str
    source: Tensor | None = None

    @property
    def prompt(self) -> str:
        return content_prompt(self.place, self.subject)

    @property
    def hard(self) -> bool:
        """The content by itself evokes the other polarity."""
        sign = dict(zip(MIKELS.labels, MIKELS.polarity, strict=True))
        return sign[leaning(self.place, self.subject)] != sign[self.emotion]


def draw_cases(count: int, seed: int, editing: bool) -> list[Case]:
    """`count` cases, emotions in turn, contents and seeds drawn; for editing each with a source scene."""
    rng, cases = Random(seed), []
    for i in range(count):
        place, subject = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
        emotion = MIKELS.labels[i % len(MIKELS)]
        told = factor_prompt(sample_scene(rng, place, subject, emotion))
        source = None
        if editing:
            scene = sample_scene(rng, place, subject, leaning(place, subject))
            source = to_tensor(render(scene))
        cases.append(Case(place, subject, emotion, rng.getrandbits(48), told, source))
    return cases


def manifest_cases(path: str) -> dict[str, list[Case]]:
    """The requests of a manifest of the embedded world, with the seeds that a run gives them, by task."""
    config = Config()
    contents = {content_prompt(place, subject): (place, subject) for place in PLACES for subject in SUBJECTS}
    cases: dict[str, list[Case]] = {"generation": [], "editing": []}
    manifest = check(path, MIKELS.labels, len(config.emotions))
    for planned in plan_requests(rows_of(manifest, MIKELS.labels), config):
        place, subject = contents[planned.prompt]
        (emotion,) = planned.emotion
        told = factor_prompt(sample_scene(Random(planned.seed), place, subject, emotion))
        source = None
        if planned.image is not None:
            source = to_tensor(open_source(planned.image, folder_of(path), SIZE))
        task = "generation" if source is None else "editing"
        cases[task].append(Case(place, subject, emotion, planned.seed, told, source))
    return cases


def request(case: Case, prompt: str) -> Request:
    return Request(prompt, Target.of(case.emotion), case.seed, image=case.source)


ARMS: dict[str, tuple[Callable[[Case], Request], dict[str, Any]]] = {
    "plain": (lambda case: request(case, case.prompt), PLAIN),
    "prompted": (lambda case: request(case, emotion_prompt(case.prompt, case.emotion)), PLAIN),
    "oracle": (lambda case: request(case, case.oracle), PLAIN),
    "muse": (lambda case: request(case, case.prompt), {}),
}


class Examiners:
    """All who look at finished images: guide, judge, examiner, and those who know contents."""

    def __init__(self, weights: Path):
        self.emotion = {
            role: FolderClassifier.from_pretrained(weights / role) for role in ("guide", "judge", "examiner")
        }
        self.content = {name: load_image_model(weights / name) for name in ("place", "subject")}
        self.clip = ClipSimilarity.from_pretrained(weights / "clip")

    @torch.inference_mode()
    def measure(self, pixels: Tensor, cases: Sequence[Case]) -> dict[str, np.ndarray]:
        """Per-image metrics of pixels (b, 3, h, w) in [0, 1]."""
        goal = torch.tensor([MIKELS.index(case.emotion) for case in cases])
        found: dict[str, np.ndarray] = {}
        for role, classifier in self.emotion.items():
            odds = classifier.logits(pixels).softmax(-1)
            found[f"success_{role}"] = (odds.argmax(-1) == goal).double().numpy()
            found[f"confidence_{role}"] = odds.gather(1, goal[:, None])[:, 0].double().numpy()
        for name, (model, side, mean, std) in self.content.items():
            shape = (1, 3, 1, 1)
            assert pixels.shape[-1] == side
            seen = (pixels - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
            guess = [model.config.id2label[i] for i in model(pixel_values=seen).logits.argmax(-1).tolist()]
            found[name] = np.array([float(g == getattr(c, name)) for g, c in zip(guess, cases, strict=True)])
        found["content"] = found["place"] * found["subject"]
        texts = self.clip.text([case.prompt for case in cases])
        found["clip_t"] = similarity(self.clip.image(pixels), texts).double().numpy()
        return found


def pixels_of(samples: Sequence[Sample]) -> Tensor:
    """Float (b, 3, h, w) in [0, 1] of finished samples; a failed one stops the evaluation."""
    for sample in samples:
        if sample.pixels is None:
            raise RuntimeError(f"a request failed: {sample.failure}")
    return torch.stack([s.pixels for s in samples if s.pixels is not None]).permute(0, 3, 1, 2).float() / 255


def run_arm(weights: Path, method: Method, arm: str, cases: Sequence[Case]) -> tuple[Tensor, list[Sample], float]:
    """The images, the samples with their traces, and the seconds of one arm."""
    build, changes = ARMS[arm]
    engine = MuseEngine(
        load_backbone(weights / "diffusion"),
        FolderClassifier.from_pretrained(weights / "guide"),
        ClipSimilarity.from_pretrained(weights / "clip"),
        replace(method, **changes),
    )
    began, samples = time.monotonic(), []
    for start in range(0, len(cases), BATCH):
        samples += engine.run([build(case) for case in cases[start : start + BATCH]])
    return pixels_of(samples), samples, time.monotonic() - began


def interval(values: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Mean with its bootstrap 95 % interval (2,000 resamples)."""
    means = rng.choice(values, (2000, len(values))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    rounded = {"mean": values.mean(), "low": low, "high": high}
    return {**{key: round(float(value), 4) for key, value in rounded.items()}, "n": len(values)}


def evaluate(
    weights: Path, method: Method, arms: Sequence[str], tasks: dict[str, list[Case]], seed: int
) -> dict[str, Any]:
    """`<arm>.<task>.<metric>` = {mean, low, high, n} for the tasks generation, editing and hard."""
    examiners, report = Examiners(weights), {}
    rng = np.random.default_rng(seed)
    for arm in arms:
        told: dict[str, Any] = {}
        for task, cases in tasks.items():
            pixels, samples, seconds = run_arm(weights, method, arm, cases)
            found = examiners.measure(pixels, cases)
            found["forwards"] = np.array([float(sample.trace.forwards) for sample in samples])
            found["seconds"] = np.full(len(cases), seconds / len(cases))
            if task == "editing":
                sources = torch.stack([case.source for case in cases if case.source is not None])
                before = examiners.measure(sources, cases)["confidence_examiner"]
                found["emo_s"] = found["confidence_examiner"] - before
            told[task] = {name: interval(values, rng) for name, values in found.items()}
            if task == "generation":
                hard = np.array([case.hard for case in cases])
                told["hard"] = {name: interval(values[hard], rng) for name, values in found.items()}
            print(as_row(arm, task, told[task]), flush=True)
        report[arm] = told
    return report


def as_row(arm: str, task: str, found: dict[str, dict[str, float]]) -> str:
    shown = ("success_examiner", "success_judge", "success_guide", "place", "subject", "clip_t", "forwards", "seconds")
    parts = (f"{found[name]['mean']:.3f}" for name in shown)
    return f"| {arm} | {task} | " + " | ".join(parts) + " |"


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    arms: str = ",".join(ARMS),
    manifest: Annotated[str | None, typer.Option(help="Its requests, instead of drawn ones.")] = None,
    count: Annotated[int, typer.Option(help="Cases to draw for each task.")] = 64,
    seed: int = 7,
    weights: Path = WEIGHTS,
    threads: int = 2,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")] = None,
) -> None:
    torch.set_num_threads(threads)
    method = load_config(None, [f"method.{assignment}" for assignment in set_ or []], {}).method
    print(
        "| arm | task | examiner | judge | guide | place | subject | clip_t | forwards | s/image |\n"
        + "|---" * 10
        + "|"
    )
    if manifest is None:
        tasks = {"generation": draw_cases(count, seed, False), "editing": draw_cases(count, seed + 1, True)}
    else:
        tasks = manifest_cases(manifest)
    report = {"seed": seed, "arms": evaluate(weights, method, arms.split(","), tasks, seed)}
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
