"""What a caption is worth in mid-training: `python -m jobs.world.gain --work FOLDER`.

A diffusion model that reads its captions errs more under a wrong one. On held-out scenes with plain
prompts, and the same noise each time, the velocity error under a caption with another subject, or
another place, is compared with the error under the right one. The gain is how much higher it is, as
a share of the right one's: 0 where captions are not read. It shows before pictures do whether
longer training, or other weights of timesteps, bind contents to their words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

import torch
import typer
from diffusers import StableDiffusionPipeline
from torch import Tensor

from jobs.evaluation.measures.intervals import interval
from jobs.options import Threads
from jobs.world.measure import to_tensor
from jobs.world.samples import Weights, load_unfinished
from jobs.world.sheet import Kind, scene_of
from muse.emotions import MIKELS
from muse.mini.world.captions import content_prompt
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.render import render
from muse.mini.world.scene import Scene

SEED = 900_016
"""Of scenes and noise that no training and no evaluation uses."""
TIMESTEPS = (800, 400)
"""At the first the layout is decided, at the second most of it is seen."""
BATCH = 32
"""Scenes at a time."""
CONTENTS: Mapping[str, Sequence[str]] = {"subject": list(SUBJECTS), "place": list(PLACES)}
"""What is wrong in a caption, and what it may be."""


def held_out(count: int) -> list[Scene]:
    """`count` scenes, the emotions in turn, all else any."""
    rng, labels = Random(SEED), MIKELS.labels
    return [scene_of(rng, Kind.EMOTION, labels[i % len(labels)]) for i in range(count)]


def captions_of(scenes: Sequence[Scene]) -> dict[str, list[str]]:
    """The plain prompts of scenes: `right`, and with another `subject` or another `place`."""
    captions = {"right": [content_prompt(scene.place, scene.subject) for scene in scenes]}
    for kind, names in CONTENTS.items():
        rng, captions[kind] = Random(SEED + 1), []
        for scene in scenes:
            contents = {"place": scene.place, "subject": scene.subject}
            others = [name for name in names if name != contents[kind]]
            captions[kind].append(content_prompt(**contents | {kind: rng.choice(others)}))
    return captions


@torch.inference_mode()
def encode(pipe: StableDiffusionPipeline, scenes: Sequence[Scene]) -> Tensor:
    """The latents (n, c, h, w) of scenes, of unit deviation as those of the training."""
    pixels = to_tensor([render(scene) for scene in scenes])
    parts = [pipe.vae.encode(part * 2 - 1).latent_dist.mean for part in pixels.split(BATCH)]
    return torch.cat(parts) * pipe.vae.config.scaling_factor


@torch.inference_mode()
def velocity_errors(
    pipe: StableDiffusionPipeline, clean: Tensor, captions: Sequence[str], timestep: int
) -> Tensor:
    """The mean squared error (n,) of the velocity of latents (n, c, h, w) under their captions.

    The noise depends on the timestep and on the number of the latents alone.
    """
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(SEED + timestep))
    ids = pipe.tokenizer(
        list(captions), padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    errors = []
    for rows in torch.arange(len(clean)).split(BATCH):
        timesteps = torch.full((len(rows),), timestep)
        noisy = pipe.scheduler.add_noise(clean[rows], noise[rows], timesteps)
        velocity = pipe.scheduler.get_velocity(clean[rows], noise[rows], timesteps)
        context = pipe.text_encoder(ids[rows])[0]
        predicted = pipe.unet(noisy, timesteps, context).sample
        errors.append((predicted - velocity).square().mean(dim=(1, 2, 3)))
    return torch.cat(errors)


def gains(pipe: StableDiffusionPipeline, count: int) -> dict[str, dict[int, dict[str, Any]]]:
    """The gain of `subject` and of `place` at each timestep, {mean, low, high, n}.

    Args:
        count: of scenes.
    """
    scenes = held_out(count)
    clean, captions = encode(pipe, scenes), captions_of(scenes)
    found: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in CONTENTS}
    for timestep in TIMESTEPS:
        right = velocity_errors(pipe, clean, captions["right"], timestep)
        for kind in CONTENTS:
            wrong = velocity_errors(pipe, clean, captions[kind], timestep)
            found[kind][timestep] = interval(((wrong - right) / right.mean()).double().numpy())
    return found


def main(
    work: Annotated[Path, typer.Option(help="Checkpoints.")] = Path("build/mini"),
    weights: Annotated[Weights, typer.Option(help="As trained, or averaged.")] = Weights.EMA,
    count: Annotated[int, typer.Option(help="Scenes.")] = 256,
    threads: Threads = 2,
) -> None:
    """Tell how much higher the velocity error is under captions with a wrong content."""
    torch.set_num_threads(threads)
    for kind, by_timestep in gains(load_unfinished(work, weights), count).items():
        for timestep, gain in by_timestep.items():
            low, high = gain["low"], gain["high"]
            percent = f"{gain['mean']:+.2%} ({low:+.2%} to {high:+.2%})"
            print(f"wrong {kind}, t = {timestep}: {percent}")


if __name__ == "__main__":
    typer.run(main)
