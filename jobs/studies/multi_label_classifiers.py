"""Multi-label guide, judge and examiner: `python -m jobs.studies.multi_label_classifiers`.

Takes nine minutes on two cores. Then `python -m jobs.evaluation --weights build/multi-label ..`
evaluates with them.

The classifiers of the embedded world have one softmax over all emotions and cannot find two in an
image. Real images have several, and there are classifiers with such labels (EMOTIC). Here the three
are fine-tuned with a sigmoid for each emotion, on scenes of one emotion and of two in equal parts,
and saved in a copy of the embedded model.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor
from transformers import AutoModelForImageClassification

from jobs.evaluation.cases import mixed_scene
from jobs.world.autoencoder import round_trip
from jobs.world.classifiers import degrade
from jobs.world.data import in_pieces
from jobs.world.models import freeze
from jobs.world.training_loop import Training, generator, stream
from muse.classifiers import FolderClassifier
from muse.diffusion.backbones import load_backbone
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import SIZE, render, sample_scene

ROLES: dict[str, tuple[int, int]] = {
    "guide": (61, 1_500),
    "judge": (62, 2_500),
    "examiner": (63, 2_500),
}
"""Seed of the scenes and of the training, and its steps."""
SCENES, BATCH, RATE = 12_000, 48, 1e-3
HELD_OUT, HELD_OUT_SEED = 2_000, 900_061
SMOOTHING = 0.05


def draw_piece(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (count, 64, 64, 3) and emotions float32 (count, 8), 1 where the scene has it."""
    rng = Random(seed)
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    emotions = np.zeros((count, len(MIKELS)), np.float32)
    for i in range(count):
        place, subject = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
        names = rng.sample(MIKELS.labels, 1 + i % 2)
        if len(names) == 2:
            scene = mixed_scene(rng, place, subject, names)
        else:
            scene = sample_scene(rng, place, subject, names[0])
        pixels[i] = np.asarray(render(scene))
        emotions[i, [MIKELS.index(name) for name in names]] = 1
    return pixels, emotions


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pixels uint8 (count, 3, 64, 64) and emotions (count, 8), drawn by several processes."""
    drawn = zip(*in_pieces(draw_piece, count, seed), strict=True)
    pixels, emotions = (torch.from_numpy(np.concatenate(parts)) for parts in drawn)
    return pixels.permute(0, 3, 1, 2).contiguous(), emotions


def fine_tune(
    role: str, work: Path, seed: int, steps: int, pixels: Tensor, emotions: Tensor
) -> torch.nn.Module:
    """Fine-tune the embedded classifier of this role with a sigmoid for each emotion."""
    model = AutoModelForImageClassification.from_pretrained(WEIGHTS / role).float()
    model = model.to(memory_format=torch.channels_last).train()
    torch.manual_seed(seed)
    training = Training(role, work, {"model": model}, RATE, steps)
    index = stream(seed, len(pixels), BATCH, 0, training.step)
    goal = emotions * (1 - SMOOTHING) + SMOOTHING / 2

    def loss_of(step: int) -> Tensor:
        chosen = next(index)
        inputs = degrade(pixels[chosen].float() / 255, generator(seed, step, 0)) * 2 - 1
        logits = model(pixel_values=inputs.to(memory_format=torch.channels_last)).logits
        return F.binary_cross_entropy_with_logits(logits.float(), goal[chosen])

    training.run(loss_of)
    model.config.problem_type = "multi_label_classification"
    return freeze(model)


def figures(folder: Path, pixels: Tensor, emotions: Tensor) -> dict[str, float]:
    """Accuracy on held-out scenes.

    - `one`: of scenes with one emotion, the share in which it is the strongest.
    - `two`: of scenes with two emotions, the share in which they are the two strongest.
    - `recall`: the share of P >= 0.5 for emotions that a scene has.
    - `false positives`: the share of P >= 0.5 for emotions that it does not have.
    """
    classifier = FolderClassifier.from_pretrained(folder)
    with torch.inference_mode():
        p = torch.cat([classifier.probs(part.float() / 255).p for part in pixels.split(100)])
    two = emotions.sum(1) == 2
    strongest = torch.zeros_like(p).scatter(1, p.topk(2, dim=1).indices, 1.0)
    return {
        "one": float((p.argmax(1) == emotions.argmax(1))[~two].float().mean()),
        "two": float((strongest == emotions).all(1)[two].float().mean()),
        "recall": float((p >= 0.5)[emotions == 1].float().mean()),
        "false positives": float((p >= 0.5)[emotions == 0].float().mean()),
    }


def main(
    work: Path = Path("build/multi-label-training"),
    out: Path = Path("build/multi-label"),
    threads: int = 2,
) -> None:
    """Fine-tune and save. After an interruption, run it again to resume."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    shutil.copytree(WEIGHTS, out, dirs_exist_ok=True)
    vae = load_backbone(WEIGHTS / "diffusion").codec.vae
    held_out = draw(HELD_OUT, HELD_OUT_SEED)
    print("| | one: strongest | two: both strongest | recall | false positives |")
    print("|---|---|---|---|---|")
    for role, (seed, steps) in ROLES.items():
        pixels, emotions = draw(SCENES, seed)
        # Every third scene goes through the VAE, as generated images do.
        decoded = [round_trip(vae, part.float() / 255) for part in pixels[::3].split(64)]
        pixels[::3] = (torch.cat(decoded) * 255).round().to(torch.uint8)
        model = fine_tune(role, work, seed, steps, pixels, emotions)
        model.save_pretrained(out / role, safe_serialization=True)
        accuracies = " | ".join(f"{value:.1%}" for value in figures(out / role, *held_out).values())
        print(f"| {role} | {accuracies} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
