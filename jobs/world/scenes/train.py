"""Train the models of the world of scenes: `python -m jobs.world.scenes.train STAGE --work FOLDER`.

Each stage draws what scenes it needs, resumes from its checkpoint, and is over when its steps are
done. `README.md` beside this package tells which stages need which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from diffusers import AutoencoderKL
from torch import nn

from jobs.world import models as shared
from jobs.world.autoencoder import encode_latents
from jobs.world.classifiers import train_classifier, train_clip
from jobs.world.data import Scenes
from jobs.world.diffusion import fit_diffusion
from jobs.world.recipe import Recipe, keep_recipe
from jobs.world.scenes import models as build
from jobs.world.scenes.autoencoder import train_decoder, train_vae
from jobs.world.scenes.data import Labelled, Pairs, draw_set
from jobs.world.scenes.export import save_classifiers, save_diffusion
from jobs.world.scenes.finished import take
from jobs.world.tiny_vae import encode_scenes, train_tiny_vae
from muse.emotions import MIKELS
from muse.mini.scenes.captions import DISPLACED, content_prompt
from muse.mini.scenes.contents import PLACES, SUBJECTS
from muse.mini.scenes.render import SIZE
from muse.mini.scenes.vocabulary import sentences

RECIPE = replace(
    Recipe(),
    seed=20514,
    scenes=48_000,
    vae_steps=8_000,
    vae_batch=16,
    vae_rate=2e-3,
    decoder_steps=3_000,
    diffusion_steps=8_000,
    diffusion_batch=32,
    diffusion_rate=6e-4,
    timestep_power=0.8,
    middle_weight=4.0,
    classifier_scenes=16_000,
    content_steps=2_500,
    clip_steps=2_000,
    tiny_vae_scenes=6_000,
    tiny_vae_steps=2_000,
    tiny_vae_batch=16,
    bfloat16=True,
    muon=True,
)
MAX_SNR, WINDOW = 5.0, 2000
"""Bound on the weight of a timestep, and steps over which the diffusion model is averaged."""


@dataclass(frozen=True)
class Role:
    """How a classifier of emotions is trained.

    Attributes:
        kind: its architecture.
        seed: of its scenes and of its training.
        natural: share of its scenes in which the emotion suits the content (see `Labelled`).
        multi_label: a sigmoid for each emotion instead of a softmax.
    """

    kind: str
    seed: int
    natural: float
    multi_label: bool
    steps: int


ROLES: dict[str, Role] = {
    "guide": Role("resnet", 11, 0.5, False, 4_000),
    "judge": Role("poolformer", 12, 0.5, True, 5_000),
    "examiner": Role("swin", 13, 0.25, False, 6_000),
}
CONTENTS: dict[str, tuple[list[str], int]] = {
    "place": (list(PLACES), 0),
    "subject": (list(SUBJECTS), 1),
}
"""Labels, and their column in the data."""
CONTENT_SEED = 31
TEXT_LAYERS = 3
"""Of the CLIPs, as many as those of the diffusion model's text encoder, which begins as one."""
CLIPS = {"clip": 21, "content-clip": 22}
"""Seeds of the CLIP that steers and of the one that judges content."""


class Stage(StrEnum):
    """What can be trained, one after another or at the same time."""

    VAE = "vae"
    DECODER = "decoder"
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
    return draw_set(work / f"{name}_scenes", count, seed, shared.CLASSIFIER_SIDE, kind)


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
    latents, scaling = encode_latents(work, vae, scenes, recipe.bfloat16)
    tokenizer = shared.build_tokenizer(work / "tokenizer", sentences(), build.TEXT_LENGTH)
    clip = make_clip(recipe, work, "clip")
    torch.manual_seed(recipe.seed + 1)
    parts = {"unet": build.build_unet(), "text_encoder": shared.build_text_encoder(tokenizer)}
    parts["text_encoder"].load_state_dict(clip.text_model.state_dict())
    live = nn.ModuleDict(parts)
    average = fit_diffusion(recipe, work, scenes, latents, scaling, live, WINDOW, MAX_SNR, compiled)
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
    shared.build_tokenizer(work / "tokenizer", sentences(), build.TEXT_LENGTH)
    seed = CLIPS[name]
    scenes = _small(work, name, recipe.classifier_scenes, seed, Pairs(displaced=0.0))
    places, subjects = list(PLACES), list(SUBJECTS)
    plain = []
    for place, subject in scenes.labels[:, :2].astype(int):
        plain.append(content_prompt(places[place], subjects[subject]))
    pixels = _first(scenes.pixels)
    return train_clip(recipe, work, pixels, scenes.captions, plain, name, seed, TEXT_LAYERS)


MAKERS: dict[str, Callable[[Recipe, Path, str], nn.Module]] = {
    **dict.fromkeys(ROLES, make_classifier),
    **dict.fromkeys(CONTENTS, make_content_classifier),
    **dict.fromkeys(CLIPS, make_clip),
}
"""By name: what needs the renderer alone, and neither the VAE nor the U-Net."""


def export_all(recipe: Recipe, work: Path, out: Path, scenes: Scenes, vae: AutoencoderKL) -> None:
    """Save every model in `out`, the tiny decoder, which learns from the full one, among them."""
    average, scaling = make_diffusion(recipe, work, scenes, vae, compiled=False)
    vae = train_decoder(recipe, work, vae, scenes)
    vae.register_to_config(scaling_factor=scaling)
    few = Scenes(scenes.pixels[: recipe.tiny_vae_scenes], [], scenes.labels)
    tiny = train_tiny_vae(recipe, work, vae, encode_scenes(vae, few), build.build_tiny_vae)
    save_diffusion(work, out, vae, scaling, average, tiny)
    models = {name: make(recipe, work, name) for name, make in MAKERS.items()}
    save_classifiers(work, out, models)


def main(
    stage: Stage,
    work: Annotated[Path, typer.Option(help="Checkpoints and scenes.")] = Path("build/scenes"),
    out: Annotated[Path, typer.Option(help="Where `export` puts the weights.")] = Path(
        "build/scenes/weights"
    ),
    displaced: Annotated[
        float, typer.Option(help="Share of the captions naming an emotion with a wrong place.")
    ] = DISPLACED,
    threads: int = 2,
    compiled: Annotated[
        bool, typer.Option(help="Compile the U-Net: faster steps, after two minutes.")
    ] = False,
    anew: Annotated[
        bool, typer.Option(help="Train also the stages that are finished in the repository.")
    ] = False,
) -> None:
    """Train one of the models. After an interruption, run it again to resume.

    A new folder begins with the stages that are finished in the repository. The stage `export`
    trains what is not finished yet, and saves all models.
    """
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    roles = {name: asdict(role) for name, role in ROLES.items()}
    keep_recipe(RECIPE, work, [roles, MAX_SNR, WINDOW, displaced])
    if not anew and (taken := take(work)):
        print(f"finished in the repository: {', '.join(taken)}", flush=True)
    if stage.value in MAKERS:
        MAKERS[stage.value](RECIPE, work, stage.value)
        return
    scenes = draw_set(work / "pictures", RECIPE.scenes, RECIPE.seed, SIZE, Pairs(displaced))
    vae = train_vae(RECIPE, work, scenes)
    if stage is Stage.DECODER:
        train_decoder(RECIPE, work, vae, scenes)
    elif stage is Stage.DIFFUSION:
        make_diffusion(RECIPE, work, scenes, vae, compiled)
    elif stage is Stage.EXPORT:
        export_all(RECIPE, work, out, scenes, vae)


if __name__ == "__main__":
    typer.run(main)
