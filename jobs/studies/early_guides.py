"""Are guides better that were fitted with `early`? `python -m jobs.studies.early_guides`.

Guides are fitted with `muse-batch classifier fit` to the same rendered scenes; they differ only in
the share `early`. Then the embedded model generates other scenes from prompts that name their
factors, and every guide classifies the one-step prediction of every step. Its accuracy is against
the emotion that the factors belong to. Finally each guide is used by the method on the same
requests: success by the examiner, and cost in forwards of the network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Annotated, Any

import numpy as np
import torch
import typer
from diffusers import StableDiffusionPipeline
from PIL import Image

from jobs.benchmark.cost import count as count_costs
from jobs.evaluation.arms.models import load
from jobs.evaluation.arms.registry import arm_of, in_batches
from jobs.evaluation.cases import Case, draw_cases
from jobs.evaluation.measures.intervals import interval
from jobs.evaluation.measures.metrics import Examiners
from jobs.world.data import draw
from muse.classifiers import load_classifier
from muse.emotions import MIKELS
from muse.method import Method
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import factor_prompt, sample_scene
from pipeline.classifier.fit import fit
from pipeline.classifier.training import Fit

BATCH = 32


def write_scenes(folder: Path, count: int, seed: int) -> None:
    """Rendered scenes as an image folder with a subfolder an emotion."""
    pixels, _, labels = draw(seed, count, True)
    for i, (emotion, _, _) in enumerate(labels):
        subfolder = folder / MIKELS.labels[emotion]
        subfolder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[i]).save(subfolder / f"{i:06d}.png")


@dataclass(frozen=True)
class Predictions:
    """One-step predictions of generated scenes.

    Attributes:
        steps: of every denoising step, pixels float (n, 3, 64, 64) in about [0, 1].
        emotions: int64 (n,), of the factors in the prompts.
    """

    steps: list[torch.Tensor]
    emotions: torch.Tensor


def factor_prompts(count: int, seed: int) -> tuple[list[str], torch.Tensor]:
    """Prompts that name content and factors, and the emotions of these factors, int64 (count,)."""
    rng, prompts = Random(seed), []
    emotions = torch.arange(count) % len(MIKELS)
    for emotion in emotions.tolist():
        content = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
        prompts.append(factor_prompt(sample_scene(rng, *content, MIKELS.labels[emotion])))
    return prompts, emotions


@torch.inference_mode()
def predict(count: int, seed: int, steps: int, scale: float) -> Predictions:
    """Generate `count` scenes with classifier-free guidance and keep all one-step predictions."""
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS / "diffusion")
    config, scheduler = pipe.unet.config, pipe.scheduler
    prompts, emotions = factor_prompts(count, seed)
    generator = torch.Generator().manual_seed(seed)
    by_step: list[list[torch.Tensor]] = [[] for _ in range(steps)]
    for start in range(0, count, BATCH):
        batch = prompts[start : start + BATCH]
        cond, uncond = pipe.encode_prompt(batch, "cpu", 1, True)
        shape = (len(batch), config.in_channels, config.sample_size, config.sample_size)
        latents = torch.randn(shape, generator=generator)
        scheduler.set_timesteps(steps)
        for number, t in enumerate(scheduler.timesteps):
            base = pipe.unet(latents, t, encoder_hidden_states=uncond).sample
            output = pipe.unet(latents, t, encoder_hidden_states=cond).sample
            x0 = scheduler.step(output, t, latents).pred_original_sample
            pixels = pipe.vae.decode(x0 / pipe.vae.config.scaling_factor).sample / 2 + 0.5
            by_step[number].append(pixels)
            guided = base + scale * (output - base)
            latents = scheduler.step(guided, t, latents).prev_sample
    return Predictions([torch.cat(parts) for parts in by_step], emotions)


@torch.inference_mode()
def hits(guide: Path, predictions: Predictions) -> np.ndarray:
    """(steps, n): 1 where the guide's strongest emotion is right."""
    classifier = load_classifier(guide)
    rows = []
    for pixels in predictions.steps:
        rows.append((classifier.logits(pixels).argmax(-1) == predictions.emotions).double())
    return torch.stack(rows).numpy()


def guided_runs(
    guide: Path, examiners: Examiners, cases: Sequence[Case]
) -> tuple[np.ndarray, np.ndarray]:
    """Of the method with that guide, for each case: success by the examiner (0 or 1), and cost."""
    models, method = replace(load(WEIGHTS), guide=load_classifier(guide)), Method()
    pixels, samples, _ = in_batches(arm_of("muse"), models, method, cases)
    costs = count_costs(models).of_all(samples, method)
    return examiners.measure(pixels, cases)["success_examiner"], np.array(costs)


def against(values: np.ndarray, first: np.ndarray) -> dict[str, float]:
    """The mean, and its paired `gain` over the first share's with a 95 % interval."""
    gain = interval(values - first)
    return {
        "mean": float(values.mean()),
        "gain": gain["mean"],
        "low": gain["low"],
        "high": gain["high"],
    }


@dataclass(frozen=True)
class Figures:
    """Figures of one share, as means over the seeds.

    Attributes:
        clean: accuracy on held-out scenes, a figure a seed.
        hits: (steps, n), see `hits`.
        success, cost: (cases,), see `guided_runs`.
    """

    clean: list[float]
    hits: np.ndarray
    success: np.ndarray
    cost: np.ndarray

    def paired(self) -> dict[str, np.ndarray]:
        """What is compared with the first share's; `early` is the first quarter of the steps."""
        early = np.array_split(self.hits, 4)[0].mean(0)
        return {"early": early, "success": self.success, "cost": self.cost}


def measure_share(
    work: Path, settings: Fit, seeds: Sequence[int], made: Predictions, cases: Sequence[Case]
) -> Figures:
    """Fit guides with these settings, one a seed (unless done before), and measure them."""
    examiners, clean, curves, runs = Examiners(WEIGHTS), [], [], []
    for seed in seeds:
        folder = work / f"guide-{settings.early:g}-{seed}"
        if not folder.exists():
            fit(work / "scenes", folder, settings.replace(seed=seed), lambda _: None)
        about = json.loads((folder / "classifier.json").read_text())["about"]
        clean.append(about["figures"]["accuracy"])
        curves.append(hits(folder, made))
        runs.append(guided_runs(folder, examiners, cases))
    success, cost = np.mean(runs, 0)
    return Figures(clean, np.mean(curves, 0), success, cost)


def table_header(steps: int) -> str:
    quarters = np.array_split(np.arange(steps), 4)
    spans = " | ".join(f"steps {quarter[0] + 1}-{quarter[-1] + 1}" for quarter in quarters)
    names = f"{spans} | first quarter, gain | success | gain | cost | gain"
    return f"| early | held-out scenes | {names} |"


def table_row(share: float, figures: Figures, compared: dict[str, dict[str, float]]) -> str:
    quarters = " | ".join(f"{part.mean():.3f}" for part in np.array_split(figures.hits, 4))
    gains = {
        name: f"{one['gain']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
        for name, one in compared.items()
    }
    success = f"{compared['success']['mean']:.3f} | {gains['success']}"
    cost = f"{compared['cost']['mean']:.1f} | {gains['cost']}"
    clean = f"{np.mean(figures.clean):.3f}"
    return f"| {share:g} | {clean} | {quarters} | {gains['early']} | {success} | {cost} |"


def main(
    work: Path = Path("build/early"),
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    scenes: Annotated[int, typer.Option(help="To fit the guides to.")] = 2400,
    count: Annotated[
        int, typer.Option(help="Scenes that the embedded model generates, and requests.")
    ] = 160,
    shares: str = "0,0.5,1",
    seeds: str = "0,1",
    epochs: int = 15,
    steps: int = 20,
    threads: int = 2,
) -> None:
    """Fit guides with several shares of blurred images, and compare them."""
    torch.set_num_threads(threads)
    if not (work / "scenes").exists():
        write_scenes(work / "scenes", scenes, seed=77_001)
    made = predict(count, seed=77_002, steps=steps, scale=4.0)
    cases = draw_cases(count, 77_003, editing=False)
    # The content classifier has the guide's architecture and was not trained on emotions.
    settings = Fit(backbone=str(WEIGHTS / "subject"), fine_tune=True, epochs=epochs, rate=2e-3)
    report: dict[str, dict[str, Any]] = {}
    first: dict[str, np.ndarray] = {}
    print(table_header(steps))
    for share in map(float, shares.split(",")):
        with_share = settings.replace(early=share)
        figures = measure_share(work, with_share, [*map(int, seeds.split(","))], made, cases)
        first = first or figures.paired()
        compared = {name: against(row, first[name]) for name, row in figures.paired().items()}
        by_step = figures.hits.mean(1).round(4).tolist()
        report[f"{share:g}"] = {"clean": figures.clean, "by_step": by_step, **compared}
        print(table_row(share, figures, compared), flush=True)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
