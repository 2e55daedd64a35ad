"""Does a corpus help to train a classifier? `python -m jobs.utility --json build/utility.json`.

A small emotion classifier is trained from scratch on a few rendered scenes an emotion (`few`), with
contents as they occur with it (a cemetery with sadness), so that contents are a shortcut. Then it
is trained on the same scenes and a corpus, half of each batch from either, for as many steps. The
tests are held-out scenes: `balanced` (every emotion over every content) and `natural` (contents as
in training). The corpora are made by the command `muse-batch run`:

- `muse`: the accepted images of a run.
- `words`: as many requests with the emotion in the prompt, no guidance and no judge;
  `words-accepted`: those of them that the judge would have accepted.
- `muse-balanced`, `muse-natural`: a half of `muse`, with every emotion equally often, or drawn by
  how much the content evokes the emotion by itself.
- `scenes`: as many rendered scenes as `muse` has images, with random contents: a perfect corpus.

Keys of the report, for each number N of scenes an emotion: `few.N.arms.ARM.TEST`, accuracy as
{mean, low, high, n}, with an interval over seeds and held-out scenes;
`few.N.differences.A-minus-B.TEST`, paired by seed; `few.N.emotions.ARM.EMOTION` and
`few.N.inherent.ARM.RELATION` (see `jobs.evaluation.evaluate`), accuracy on `balanced`.
`corpora.NAME`: number of images, images an emotion, share whose label the examiner confirms, share
with the requested content, `sem_d`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn
from transformers import AutoModelForImageClassification, ResNetConfig

from jobs.evaluation.corpora import LabelledImages, draw_scenes, halves, make_corpus, read_corpus
from jobs.evaluation.measures.intervals import RESAMPLES, summary
from jobs.evaluation.measures.metrics import Examiners
from jobs.options import Threads, check_report_file, write_report
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from pipeline.errors import UserError
from pipeline.settings import load_config

BATCH = 32
RATE = 2e-3
HELD_OUT = 700_001
"""Seed of the held-out scenes."""


@dataclass(frozen=True)
class Suite:
    """How much is trained and tested.

    Attributes:
        few: numbers of scenes an emotion.
        requests: of a corpus, an emotion.
        seeds: trainings of each arm.
        steps: of a training.
        held_out: scenes of each test.
    """

    few: tuple[int, ...]
    requests: int
    seeds: int
    steps: int
    held_out: int


SUITES = {"quick": Suite((2, 8), 16, 5, 100, 640), "full": Suite((2, 4, 8, 16), 64, 20, 300, 3200)}


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Random flips, and shifts by up to 4 pixels. Colours are kept: they carry the label."""
    mirrored = torch.rand(len(pixels), generator=generator) < 0.5
    pixels = torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(-1), pixels)
    padded = F.pad(pixels, (4, 4, 4, 4), mode="replicate")
    corners = torch.randint(0, 9, (len(pixels), 2), generator=generator).tolist()
    side = pixels.shape[-1]
    crops = []
    for image, (y, x) in zip(padded, corners, strict=True):
        crops.append(image[:, y : y + side, x : x + side])
    return torch.stack(crops)


def train(few: LabelledImages, corpus: LabelledImages | None, steps: int, seed: int) -> nn.Module:
    """A small classifier from scratch, on `few` alone or with half of each batch from `corpus`."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    sizes = {
        "embedding_size": 16,
        "hidden_sizes": [16, 32, 64],
        "depths": [1, 1, 1],
        "layer_type": "basic",
    }
    model = AutoModelForImageClassification.from_config(
        ResNetConfig(**sizes, num_labels=len(MIKELS))
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    decay = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    sets = [few] if corpus is None else [few, corpus]
    labels = [images.labels for images in sets]
    size = (BATCH // len(sets),)
    for _ in range(steps):
        index = [torch.randint(len(s.cases), size, generator=generator) for s in sets]
        pixels = torch.cat([images.pixels[i] for images, i in zip(sets, index, strict=True)])
        targets = torch.cat([known[i] for known, i in zip(labels, index, strict=True)])
        logits = model(pixel_values=augment(pixels, generator) * 2 - 1).logits
        loss = F.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
    return model.eval()


@torch.inference_mode()
def hits(model: nn.Module, images: LabelledImages) -> np.ndarray:
    """(n,): 1 where the classifier is right."""
    parts = images.pixels.split(256)
    guesses = torch.cat([model(pixel_values=part * 2 - 1).logits.argmax(-1) for part in parts])
    return (guesses == images.labels).double().numpy()


def two_way(right: np.ndarray) -> dict[str, Any]:
    """Mean over (seeds, scenes) with the 95 % interval of a bootstrap over both; n counts seeds."""
    rng = np.random.default_rng(0)
    rows, columns = (rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n for n in right.shape)
    return summary(right.mean(), ((rows @ right) * columns).sum(1), len(right))


def compare(right: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Accuracy of every arm on every test, and differences between arms.

    Args:
        right: by arm and test, (seeds, scenes), 1 where a classifier is right.
    """
    pairs = [(arm, "few") for arm in right if arm != "few"]
    pairs += [("muse", "words"), ("muse", "words-accepted")]
    pairs += [("muse-balanced", "muse-natural")]
    arms, differences = {}, {}
    for arm, tests in right.items():
        arms[arm] = {test: two_way(values) for test, values in tests.items()}
    for one, other in pairs:
        if one in right and other in right:
            differences[f"{one}-minus-{other}"] = {
                test: two_way(values - right[other][test]) for test, values in right[one].items()
            }
    return {"arms": arms, "differences": differences}


def corpus_figures(examiners: Examiners, corpus: LabelledImages) -> dict[str, Any]:
    """Figures of a corpus that may explain its use; see the module."""
    found = examiners.measure(corpus.pixels, corpus.cases)
    counts = Counter(case.emotion for case in corpus.cases)
    return {
        "images": len(corpus.cases),
        "emotions": {name: counts[name] for name in MIKELS.labels},
        "confirmed": round(float(found["success_examiner"].mean()), 4),
        "content": round(float(found["content"].mean()), 4),
        "sem_d": examiners.variety(corpus.pixels, corpus.cases),
    }


def by_kind(right: np.ndarray, kinds: Sequence[str]) -> dict[str, Any]:
    """Accuracy apart for each kind, of (seeds, scenes); `kinds` are those of the scenes."""
    names = np.array(kinds)
    return {str(kind): two_way(right[:, names == kind]) for kind in dict.fromkeys(names.tolist())}


def as_markdown(report: Mapping[str, Any]) -> str:
    lines = ["| corpus | images | confirmed | content kept |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {one['images']} | {one['confirmed']:.0%} | {one['content']:.0%} |"
        for name, one in report["corpora"].items()
    ]
    for few, found in report["few"].items():
        lines += [
            "",
            f"| {few} scenes an emotion and | balanced test | natural test |",
            "|---|---|---|",
        ]
        lines += [f"| {arm} | {cells(one)} |" for arm, one in found["arms"].items()]
        lines += [
            f"| {name.replace('-minus-', ' minus ')} | {cells(one)} |"
            for name, one in found["differences"].items()
        ]
    return "\n".join(lines) + "\n"


def cells(tests: Mapping[str, Mapping[str, float]]) -> str:
    return " | ".join(
        f"{figure['mean']:.1%} ({100 * figure['low']:.1f} to {100 * figure['high']:.1f})"
        for figure in tests.values()
    )


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Report; a table goes beside it.")
    ] = None,
    suite: Annotated[str, typer.Option(help="quick (minutes) or full.")] = "quick",
    work: Annotated[
        Path, typer.Option(help="Where the corpora go; finished ones are used again.")
    ] = Path("build/utility"),
    seed: int = 7,
    threads: Threads = 2,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the runs, as in min_confidence=0.7."),
    ] = None,
) -> None:
    """Train small classifiers with and without corpora, and compare their accuracy."""
    if suite not in SUITES:
        raise typer.BadParameter(
            f"{suite!r} is unknown; choose from {', '.join(SUITES)}", param_hint="--suite"
        )
    check_report_file(json_file)
    try:
        report = run(SUITES[suite], work / f"{suite}-{seed}", seed, threads, set_ or [])
    except UserError as error:
        raise typer.BadParameter(str(error)) from None
    print(as_markdown(report))
    if json_file is not None:
        write_report(json_file, report, as_markdown(report))


def run(
    plan: Suite, work: Path, seed: int, threads: int, settings: Sequence[str]
) -> dict[str, Any]:
    """The whole experiment; see the module for the report."""
    torch.set_num_threads(threads)
    began = time.monotonic()
    # All corpora are accepted by the judge of emotions alone: contents count in the test.
    settings = ["min_similarity=-1.0", *settings]
    unguided = ["method.timing=never", "min_confidence=0.0"]
    min_confidence = load_config(None, settings, {}).min_confidence
    muse = read_corpus(make_corpus(work, "muse", plan.requests, seed, settings))
    if not muse.cases:
        raise UserError("the run accepted no image; lower --set min_confidence")
    words = make_corpus(work, "words", plan.requests, seed, [*settings, *unguided])
    corpora = {
        "muse": muse,
        "words": read_corpus(words),
        "words-accepted": read_corpus(words, min_confidence),
        "scenes": draw_scenes(len(muse.cases), seed + 1, natural=False),
    }
    corpora = {name: corpus.shrunk() for name, corpus in corpora.items() if corpus.cases}
    tests = {
        name: draw_scenes(plan.held_out, HELD_OUT, name == "natural").shrunk()
        for name in ("balanced", "natural")
    }
    examiners = Examiners(WEIGHTS)
    return {
        "seed": seed,
        "suite": asdict(plan),
        "few": {str(few): train_all(plan, few, seed, corpora, tests) for few in plan.few},
        "corpora": {name: corpus_figures(examiners, corpus) for name, corpus in corpora.items()},
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def train_all(
    plan: Suite,
    few: int,
    seed: int,
    corpora: Mapping[str, LabelledImages],
    tests: Mapping[str, LabelledImages],
) -> dict[str, Any]:
    """Train and test every arm on `few` scenes an emotion with every seed, and compare them."""
    right: dict[str, dict[str, list[np.ndarray]]] = {}
    for number in range(plan.seeds):
        scenes = draw_scenes(few * len(MIKELS), 1000 * seed + number, True).shrunk()
        mixes = {f"muse-{mix}": images for mix, images in halves(corpora["muse"], number).items()}
        for arm, corpus in {"few": None, **corpora, **mixes}.items():
            model = train(scenes, corpus, plan.steps, number)
            for test, images in tests.items():
                right.setdefault(arm, {}).setdefault(test, []).append(hits(model, images))
            accuracies = [f"{test} {rows[-1].mean():.1%}" for test, rows in right[arm].items()]
            training = f"{few} scenes an emotion, seed {number + 1}/{plan.seeds}, {arm}"
            print(f"{training}: {', '.join(accuracies)}", flush=True)
    stacked: dict[str, dict[str, np.ndarray]] = {}
    for arm, found in right.items():
        stacked[arm] = {test: np.stack(rows) for test, rows in found.items()}
    cases = tests["balanced"].cases
    emotions, relations = [c.emotion for c in cases], [c.inherent for c in cases]
    return {
        **compare(stacked),
        "emotions": {arm: by_kind(found["balanced"], emotions) for arm, found in stacked.items()},
        "inherent": {arm: by_kind(found["balanced"], relations) for arm, found in stacked.items()},
    }


if __name__ == "__main__":
    typer.run(main)
