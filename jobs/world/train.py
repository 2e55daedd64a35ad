"""Train the embedded model from nothing: `python -m jobs.world.train STAGE --work FOLDER`.

Each stage draws what scenes it needs, resumes from its checkpoint, and is over when its steps are
done. `README.md` in this folder tells which stages need which.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from diffusers import AutoencoderKL
from torch import nn

from jobs.options import Threads
from jobs.world.autoencoder import encode_latents, train_vae
from jobs.world.classifiers import train_classifier, train_clip
from jobs.world.data import Labelled, Pairs, Scenes, draw_set
from jobs.world.diffusion import train_diffusion
from jobs.world.export import save_classifiers, save_diffusion
from jobs.world.faces import draw_faces
from jobs.world.models import CLASSIFIER_SIDE, build_text_encoder, build_tokenizer, build_unet
from jobs.world.recipe import (
    CLIPS,
    CONTENT_SEED,
    CONTENTS,
    ROLES,
    Recipe,
    described,
    keep_recipe,
)
from jobs.world.tiny_vae import encode_scenes, train_tiny_vae
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from muse.mini.world.captions import DISPLACED, content_prompt
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.render import SIZE

RECIPE = Recipe()


class Stage(StrEnum):
    """What can be trained, one after another or at the same time."""

    VAE = "vae"
    DIFFUSION = "diffusion"
    GUIDE = "guide"
    JUDGE = "judge"
    EXAMINER = "examiner"
    PLACE = "place"
    SUBJECT = "subject"
    CLIP = "clip"
    CONTENT_CLIP = "content-clip"
    EXPORT = "export"


def _small(work: Path, name: str, count: int, seed: int, kind: Labelled | Pairs) -> Scenes:
    """Scenes at the size of the classifiers."""
    return draw_set(work / f"{name}_scenes", count, seed, CLASSIFIER_SIDE, kind)


def _first(pixels: np.ndarray) -> torch.Tensor:
    """Pixels uint8 (n, 3, s, s)."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)


def make_diffusion(
    recipe: Recipe, work: Path, scenes: Scenes, vae: AutoencoderKL, compiled: bool
) -> tuple[nn.ModuleDict, float]:
    """The averaged U-Net and text encoder, and the VAE's scaling factor.

    The text encoder begins as that of the CLIP: from nothing it takes several times as many steps
    until the U-Net learns what a word shows.
    """
    latents, scaling = encode_latents(work, vae, scenes)
    tokenizer = build_tokenizer(work / "tokenizer")
    clip = make_clip(recipe, work, "clip")
    torch.manual_seed(recipe.seed + 1)
    parts = {"unet": build_unet(), "text_encoder": build_text_encoder(tokenizer)}
    parts["text_encoder"].load_state_dict(clip.text_model.state_dict())
    live = nn.ModuleDict(parts)
    average = train_diffusion(recipe, work, scenes, latents, scaling, live, compiled)
    return average, scaling


def make_classifier(recipe: Recipe, work: Path, name: str) -> nn.Module:
    """A classifier of emotions, by its role."""
    role = ROLES[name]
    count, kind = recipe.classifier_scenes, Labelled(role.natural)
    scenes = _small(work, name, count, role.seed, kind)
    emotions = scenes.labels[:, 2:].astype(np.float32)
    names, pixels = list(MIKELS.labels), _first(scenes.pixels)
    return train_classifier(
        recipe,
        work,
        name,
        role.kind,
        names,
        role.seed,
        pixels,
        emotions,
        role.steps,
        role.multi_label,
    )


def make_content_classifier(recipe: Recipe, work: Path, name: str) -> nn.Module:
    """The classifier of places or of subjects."""
    names, column = CONTENTS[name]
    count, seed = recipe.classifier_scenes, CONTENT_SEED + column
    scenes = _small(work, name, count, seed, Labelled(natural=0.0))
    labels, pixels = scenes.labels[:, column].astype(np.int64), _first(scenes.pixels)
    return train_classifier(
        recipe, work, name, "resnet", names, seed, pixels, labels, recipe.content_steps
    )


def make_clip(recipe: Recipe, work: Path, name: str) -> nn.Module:
    """A CLIP; its captions are right about contents."""
    seed = CLIPS[name]
    scenes = _small(work, name, recipe.classifier_scenes, seed, Pairs(displaced=0.0))
    places, subjects = list(PLACES), list(SUBJECTS)
    plain = []
    for place, subject in scenes.labels[:, :2].astype(int):
        plain.append(content_prompt(places[place], subjects[subject]))
    return train_clip(recipe, work, _first(scenes.pixels), scenes.captions, plain, name, seed)


MAKERS: dict[str, Callable[[Recipe, Path, str], nn.Module]] = {
    **dict.fromkeys(ROLES, make_classifier),
    **dict.fromkeys(CONTENTS, make_content_classifier),
    **dict.fromkeys(CLIPS, make_clip),
}
"""By name: what needs the renderer alone, and neither the VAE nor the U-Net."""


def export_all(recipe: Recipe, work: Path, out: Path, scenes: Scenes, vae: AutoencoderKL) -> None:
    """Save every model in `out`, the tiny decoder, which learns from the full one, among them."""
    average, scaling = make_diffusion(recipe, work, scenes, vae, compiled=False)
    vae.register_to_config(scaling_factor=scaling)
    few = Scenes(scenes.pixels[: recipe.tiny_vae_scenes], [], scenes.labels)
    tiny = train_tiny_vae(recipe, work, vae, encode_scenes(vae, few))
    save_diffusion(work, out, vae, scaling, average, tiny)
    models = {name: make(recipe, work, name) for name, make in MAKERS.items()}
    save_classifiers(work, out, models)


def main(
    stage: Stage,
    work: Annotated[Path, typer.Option(help="Checkpoints and scenes.")] = Path("build/mini"),
    out: Annotated[Path, typer.Option(help="Where `export` puts the weights.")] = WEIGHTS,
    displaced: Annotated[
        float, typer.Option(help="Share of the captions naming an emotion with a wrong place.")
    ] = DISPLACED,
    threads: Threads = 2,
    compiled: Annotated[
        bool, typer.Option(help="Compile the U-Net: faster steps, after two minutes.")
    ] = False,
) -> None:
    """Train one of the models. After an interruption, run it again to resume.

    The stage `export` trains what is not finished yet, and saves all models.
    """
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    keep_recipe(RECIPE, work, displaced)
    if stage.value in MAKERS:
        MAKERS[stage.value](RECIPE, work, stage.value)
        return
    pairs, pictures = Pairs(displaced), work / "pictures"
    scenes = draw_set(pictures, RECIPE.scenes, RECIPE.seed, SIZE, pairs)
    faces = partial(draw_faces, pictures, RECIPE.scenes, RECIPE.seed, pairs)
    vae = train_vae(RECIPE, work, scenes, faces)
    if stage is Stage.DIFFUSION:
        make_diffusion(RECIPE, work, scenes, vae, compiled)
    elif stage is Stage.EXPORT:
        export_all(RECIPE, work, out, scenes, vae)
        (out / "recipe.json").write_text(json.dumps(described(RECIPE, displaced), indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
