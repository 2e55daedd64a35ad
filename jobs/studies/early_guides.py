"""Does a guide that was fitted with `early` read early predictions better, and steer better?

`python -m jobs.studies.early_guides`

Guides are fitted with `muse-batch classifier fit` to the same rendered scenes, by nothing but the share `early`
apart. Then the embedded model draws other scenes from their factors in words, and each guide says what it sees in
the one-step prediction of every step. Right is the emotion that the words stand for. Last, each steers the method on
the same requests; success is the examiner's, cost in forwards of the network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Annotated, Any

import numpy as np
import torch
import typer
from diffusers import StableDiffusionPipeline
from PIL import Image

from jobs.benchmark.cost import count as count_costs
from jobs.evaluation.arms import ARMS, in_batches, load
from jobs.evaluation.cases import Case, draw_cases
from jobs.evaluation.metrics import Examiners, interval
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
    """Rendered scenes as an image folder, a subfolder an emotion."""
    pixels, _, labels = draw(seed, count, True)
    for i, (emotion, _, _) in enumerate(labels):
        place = folder / MIKELS.labels[emotion]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[i]).save(place / f"{i:06d}.png")


@torch.inference_mode()
def predictions(
    count: int, seed: int, steps: int, scale: float
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The one-step predictions of every step, each (count, 3, 64, 64) in [0, 1], and the emotions, (count,)."""
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS / "diffusion")
    rng, told, emotions = Random(seed), [], []
    for i in range(count):
        emotions.append(i % len(MIKELS))
        content = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
        told.append(factor_prompt(sample_scene(rng, *content, MIKELS.labels[emotions[-1]])))
    seen: list[list[torch.Tensor]] = [[] for _ in range(steps)]
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, count, BATCH):
        prompts = told[start : start + BATCH]
        asked, empty = pipe.encode_prompt(prompts, "cpu", 1, True)
        size = pipe.unet.config.sample_size
        latents = torch.randn(
            len(prompts), pipe.unet.config.in_channels, size, size, generator=generator
        )
        pipe.scheduler.set_timesteps(steps)
        for number, t in enumerate(pipe.scheduler.timesteps):
            base = pipe.unet(latents, t, encoder_hidden_states=empty).sample
            led = pipe.unet(latents, t, encoder_hidden_states=asked).sample
            x0 = pipe.scheduler.step(led, t, latents).pred_original_sample
            seen[number].append(
                pipe.vae.decode(x0 / pipe.vae.config.scaling_factor).sample / 2 + 0.5
            )
            latents = pipe.scheduler.step(base + scale * (led - base), t, latents).prev_sample
    return [torch.cat(parts) for parts in seen], torch.tensor(emotions)


@torch.inference_mode()
def hits(guide: Path, pixels: torch.Tensor, emotions: torch.Tensor) -> np.ndarray:
    return (load_classifier(guide).logits(pixels).argmax(-1) == emotions).double().numpy()


def steered(
    guide: Path, examiners: Examiners, cases: Sequence[Case]
) -> tuple[np.ndarray, np.ndarray]:
    """Of what the method makes of the cases under that guide: 1 where the examiner sees the target; the cost."""
    models, method = replace(load(WEIGHTS), guide=load_classifier(guide)), Method()
    pixels, samples, _ = in_batches(ARMS["muse"], models, method, cases)
    return examiners.measure(pixels, cases)["success_examiner"], np.array(
        count_costs(models).each(samples, method)
    )


def against(values: np.ndarray, first: np.ndarray) -> dict[str, float]:
    """Mean, and the `gain` over the first share's, paired, with its 95 % interval."""
    gain = interval(values - first)
    return {
        "mean": float(values.mean()),
        "gain": gain["mean"],
        "low": gain["low"],
        "high": gain["high"],
    }


def main(
    work: Path = Path("build/early"),
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    scenes: Annotated[int, typer.Option(help="To fit the guides to.")] = 2400,
    count: Annotated[
        int, typer.Option(help="Scenes drawn by the embedded model, and requests steered.")
    ] = 160,
    shares: str = "0,0.5,1",
    seeds: str = "0,1",
    epochs: int = 15,
    steps: int = 20,
    threads: int = 2,
) -> None:
    torch.set_num_threads(threads)
    if not (work / "scenes").exists():
        write_scenes(work / "scenes", scenes, seed=77_001)
    made, emotions = predictions(count, seed=77_002, steps=steps, scale=4.0)
    # The content classifier has the guide's architecture and never heard of emotions.
    settings = Fit(backbone=str(WEIGHTS / "subject"), fine_tune=True, epochs=epochs, rate=2e-3)
    report: dict[str, dict[str, Any]] = {}
    quarters = np.array_split(np.arange(steps), 4)
    spans = " | ".join(f"steps {quarter[0] + 1}-{quarter[-1] + 1}" for quarter in quarters)
    print(
        f"| early | held-out scenes | {spans} | first quarter, gained | success | gained | cost | gained |"
    )
    examiners, cases = Examiners(WEIGHTS), draw_cases(count, 77_003, editing=False)
    first: tuple[np.ndarray, ...] = ()
    for share in map(float, shares.split(",")):
        curves, clean, steerings = [], [], []
        for seed in map(int, seeds.split(",")):
            folder = work / f"guide-{share:g}-{seed}"
            if not folder.exists():
                fit(
                    work / "scenes",
                    folder,
                    replace(settings, early=share, seed=seed),
                    lambda _: None,
                )
            clean.append(
                json.loads((folder / "classifier.json").read_text())["about"]["figures"]["accuracy"]
            )
            curves.append([hits(folder, pixels, emotions) for pixels in made])
            steerings.append(steered(folder, examiners, cases))
        # (steps, images), the mean over the seeds; intervals are over images, paired with those of the first share.
        right = np.mean(curves, 0)
        found = (right[quarters[0]].mean(0), *np.mean(steerings, 0))
        first = first or found
        told = dict(zip(("early", "success", "cost"), map(against, found, first), strict=True))
        report[f"{share:g}"] = {"clean": clean, "by_step": right.mean(1).round(4).tolist(), **told}
        parts = " | ".join(f"{right[quarter].mean():.3f}" for quarter in quarters)
        gains = [
            f"{one['gain']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})" for one in told.values()
        ]
        made_of_it = (
            f"{told['success']['mean']:.3f} | {gains[1]} | {told['cost']['mean']:.1f} | {gains[2]}"
        )
        print(
            f"| {share:g} | {np.mean(clean):.3f} | {parts} | {gains[0]} | {made_of_it} |",
            flush=True,
        )
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
