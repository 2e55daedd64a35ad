"""Train the embedded model from nothing: `python -m jobs.world.train`.

Stages, each resumable from its checkpoint: scenes, vae, latents, diffusion, classifiers, contents,
similarity, export. The weights in the repository took 97 minutes, from start to end, on two CPU cores that multiply in
bfloat16 and had other work for some twenty of them. `--stage` runs one of them. `jobs.world.tiny_vae` goes on from there.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import typer
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPImageProcessor, CLIPProcessor, ViTImageProcessor

from jobs.world import models as build
from jobs.world.data import Scenes, draw_scenes
from jobs.world.recipe import CLASSIFIERS, CONTENTS, Recipe, keep_recipe
from jobs.world.training_loop import Training, generator, stream
from muse.classifiers import resize
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import content_prompt

MEAN = STD = [0.5, 0.5, 0.5]


def train_vae(recipe: Recipe, work: Path, scenes: Scenes) -> nn.Module:
    """Reconstruction in L1 and L2; a light KL term and sampling keep the latents smooth."""
    torch.manual_seed(recipe.seed)
    vae = build.build_vae().to(memory_format=torch.channels_last)
    with torch.no_grad():
        # Hardly any noise on the latents at first, or the encoder learns to shout over it.
        vae.quant_conv.bias[build.LATENT_CHANNELS :] = -6.0
    training = Training("vae", work, {"vae": vae}, recipe.vae_rate, recipe.vae_steps)
    index = stream(recipe.seed, len(scenes.pixels), recipe.vae_batch, 1, training.step)

    def loss_of(step: int) -> torch.Tensor:
        pixels = scenes.batch(next(index)) * 2 - 1
        posterior = vae.encode(pixels).latent_dist
        again = vae.decode(posterior.sample(generator(recipe.seed, step, 1))).sample.float()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return F.l1_loss(again, pixels) + F.mse_loss(again, pixels) + 1e-4 * kl

    training.run(loss_of)
    return polish_decoder(recipe, work, build.freeze(vae), scenes)


def polish_decoder(recipe: Recipe, work: Path, vae: nn.Module, scenes: Scenes) -> nn.Module:
    """More training for the decoder alone, in L2, which the round trip is measured by. The latents stay as they are."""
    parts = {
        "decoder": vae.decoder.requires_grad_(True),
        "post_quant_conv": vae.post_quant_conv.requires_grad_(True),
    }
    training = Training("decoder", work, parts, 1e-3, recipe.decoder_steps)
    index = stream(recipe.seed, len(scenes.pixels), recipe.vae_batch, 3, training.step)

    def loss_of(step: int) -> torch.Tensor:
        pixels = scenes.batch(next(index)) * 2 - 1
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.sample(generator(recipe.seed, step, 3))
        again = vae.decode(latents).sample.float()
        return 0.3 * F.l1_loss(again, pixels) + F.mse_loss(again, pixels)

    training.run(loss_of)
    return build.freeze(vae)


def encode_latents(work: Path, vae: nn.Module, scenes: Scenes) -> tuple[torch.Tensor, float]:
    """Mean latents of every scene, scaled to unit deviation, and that scaling factor."""
    file = work / "latents.pt"
    if not file.exists():
        with torch.inference_mode():
            parts = [
                vae.encode(
                    scenes.batch(np.arange(i, min(i + 64, len(scenes.pixels)))) * 2 - 1
                ).latent_dist.mean.half()
                for i in range(0, len(scenes.pixels), 64)
            ]
        torch.save(torch.cat(parts), file)
    latents = torch.load(file, weights_only=True)
    scaling = 1.0 / latents[:4000].float().std().item()
    return latents, scaling


def train_diffusion(
    recipe: Recipe, work: Path, scenes: Scenes, latents: torch.Tensor, scaling: float
) -> nn.ModuleDict:
    """U-Net and text encoder, from nothing."""
    torch.manual_seed(recipe.seed + 1)
    tokenizer = build.build_tokenizer(work / "tokenizer")
    live = nn.ModuleDict(
        {"unet": build.build_unet(), "text_encoder": build.build_text_encoder(tokenizer)}
    )
    return fit_diffusion(recipe, work, scenes, latents, scaling, live)


def fit_diffusion(
    recipe: Recipe,
    work: Path,
    scenes: Scenes,
    latents: torch.Tensor,
    scaling: float,
    live: nn.ModuleDict,
    window: int = 1000,
) -> nn.ModuleDict:
    """Both together, velocity loss, captions dropped for guidance. What is returned are the weights averaged over about
    the last `window` steps."""
    tokenizer, scheduler = build.build_tokenizer(work / "tokenizer"), build.build_scheduler()
    live.to(memory_format=torch.channels_last).requires_grad_(True)
    # Plain matrix products: on a CPU the backward of fused attention is slow for such short sequences.
    live["unet"].set_attn_processor(AttnProcessor())
    average = copy.deepcopy(live).requires_grad_(False)
    ids = tokenizer(
        scenes.captions, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    empty = tokenizer("", padding="max_length", return_tensors="pt").input_ids
    training = Training(
        "diffusion",
        work,
        {"live": live, "ema": average},
        recipe.diffusion_rate,
        recipe.diffusion_steps,
    )
    index = stream(recipe.seed, len(latents), recipe.diffusion_batch, 2, training.step)

    def loss_of(step: int) -> torch.Tensor:
        draw, chosen = generator(recipe.seed, step, 2), next(index)
        clean = latents[chosen].float().to(memory_format=torch.channels_last) * scaling
        noise = torch.randn(clean.shape, generator=draw)
        # Stratified timesteps: the same spread in every batch lowers the variance of the gradient.
        # More of them are noisy: what words decide (which subject, which mood) they decide where the noise hides it.
        spread = (
            (torch.arange(len(clean)) + torch.rand(len(clean), generator=draw)) / len(clean)
        ) ** 0.7
        timesteps = (spread * scheduler.config.num_train_timesteps).long()
        dropped = torch.rand(len(clean), 1, generator=draw) < recipe.caption_dropout
        context = live["text_encoder"](torch.where(dropped, empty, ids[chosen]))[0]
        noisy = scheduler.add_noise(clean, noise, timesteps)
        velocity = scheduler.get_velocity(clean, noise, timesteps)
        return F.mse_loss(live["unet"](noisy, timesteps, context).sample.float(), velocity)

    training.run(
        loss_of, lambda: build.ema_update(average, live, 1 - 1 / min(window, training.step + 10))
    )
    return average


def degrade(pixels: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """What a classifier of generated images must bear: per-image blur, noise, contrast and a shift of a few pixels."""
    coin = torch.rand(len(pixels), 4, generator=draw)
    side = pixels.shape[-1]
    for factor, low, high in ((2, 0.0, 0.2), (4, 0.2, 0.35)):
        soft = F.interpolate(F.avg_pool2d(pixels, factor), size=(side, side), mode="bilinear")
        chosen = (coin[:, 0] >= low) & (coin[:, 0] < high)
        pixels = torch.where(chosen[:, None, None, None], soft, pixels)
    strength = 0.16 * (coin[:, 1] - 0.5).clamp(min=0)[:, None, None, None]
    pixels = pixels + strength * torch.randn(pixels.shape, generator=draw)
    contrast = (1 + 0.3 * (coin[:, 2] - 0.5))[:, None, None, None]
    pixels = ((pixels - 0.5) * contrast + 0.5).clamp(0, 1)
    across, down = (int(v) for v in torch.randint(-4, 5, (2,), generator=draw))
    return F.pad(pixels, (4, 4, 4, 4), mode="replicate")[
        ..., 4 + down : 4 + down + side, 4 + across : 4 + across + side
    ]


def round_trip(vae: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Through the VAE and back, in [0, 1]."""
    with torch.inference_mode():
        return (vae.decode(vae.encode(pixels * 2 - 1).latent_dist.mean).sample / 2 + 0.5).clamp(
            0, 1
        )


def classifier_pixels(work: Path, name: str, scenes: Scenes, vae: nn.Module) -> torch.Tensor:
    """Scenes at the classifiers' size (uint8); every third has been through the VAE, as generated images have."""
    file = work / f"{name}_pixels.pt"
    if not file.exists():
        parts = []
        for i in range(0, len(scenes.pixels), 60):
            pixels = scenes.batch(np.arange(i, min(i + 60, len(scenes.pixels))))
            pixels[::3] = round_trip(vae, pixels[::3])
            parts.append((resize(pixels, build.CLASSIFIER_SIDE) * 255).round().to(torch.uint8))
        torch.save(torch.cat(parts), file)
    return torch.load(file, weights_only=True)


def train_classifier(
    recipe: Recipe,
    work: Path,
    name: str,
    kind: str,
    names: list[str],
    seed: int,
    pixels: torch.Tensor,
    labels: np.ndarray,
    steps: int,
) -> nn.Module:
    torch.manual_seed(recipe.seed + seed)
    model = build.build_classifier(kind, names).to(memory_format=torch.channels_last)
    training = Training(name, work, {"model": model.train()}, 2e-3, steps)
    index = stream(recipe.seed, len(pixels), recipe.classifier_batch, seed, training.step)
    known = torch.from_numpy(labels)

    def loss_of(step: int) -> torch.Tensor:
        chosen = next(index)
        seen = degrade(pixels[chosen].float() / 255, generator(recipe.seed, step, seed))
        logits = model(pixel_values=(seen * 2 - 1).to(memory_format=torch.channels_last)).logits
        return F.cross_entropy(logits.float(), known[chosen], label_smoothing=0.05)

    training.run(loss_of)
    return build.freeze(model)


def train_clip(recipe: Recipe, work: Path, pixels: torch.Tensor, scenes: Scenes) -> nn.Module:
    """Contrastive, half on plain prompts and half on captions; equal texts in a batch count as the same."""
    torch.manual_seed(recipe.seed + 21)
    tokenizer = build.build_tokenizer(work / "tokenizer")
    model = build.build_clip(tokenizer)
    places, subjects = list(PLACES), list(SUBJECTS)
    plain = [content_prompt(places[p], subjects[s]) for _, p, s in scenes.labels]
    training = Training("clip", work, {"model": model}, 1e-3, recipe.clip_steps)
    index = stream(recipe.seed, len(pixels), recipe.clip_batch, 21, training.step)

    def loss_of(step: int) -> torch.Tensor:
        chosen = next(index)
        texts = [plain[i] if k % 2 else scenes.captions[i] for k, i in enumerate(chosen)]
        ids = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        seen = degrade(pixels[chosen].float() / 255, generator(recipe.seed, step, 21)) * 2 - 1
        scores = model(pixel_values=seen, **ids).logits_per_image.float()
        same = torch.tensor([[a == b for b in texts] for a in texts], dtype=torch.float32)
        goal = same / same.sum(1, keepdim=True)
        return (F.cross_entropy(scores, goal) + F.cross_entropy(scores.T, goal)) / 2

    training.run(loss_of)
    return build.freeze(model)


def export(work: Path, out: Path, vae: nn.Module, scaling: float, average: nn.ModuleDict) -> None:
    """The diffusion model in the diffusers folder layout."""
    tokenizer = build.build_tokenizer(work / "tokenizer")
    vae.register_to_config(scaling_factor=scaling)
    pipe = StableDiffusionPipeline(
        vae=copy.deepcopy(vae),
        text_encoder=average["text_encoder"],
        tokenizer=tokenizer,
        unet=average["unet"],
        scheduler=build.build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    # Half the size for the two large parts, which diffusers loads as float32; transformers would load halves as halves.
    for part in (pipe.unet, pipe.vae):
        part.half()
    pipe.save_pretrained(out / "diffusion", safe_serialization=True)


def export_classifier(model: nn.Module, folder: Path) -> None:
    model.save_pretrained(folder, safe_serialization=True)
    side = build.CLASSIFIER_SIDE
    ViTImageProcessor(
        size={"height": side, "width": side}, image_mean=MEAN, image_std=STD
    ).save_pretrained(folder)


app = typer.Typer(add_completion=False)


@app.command()
def main(
    work: Path = Path("build/mini"),
    out: Path = WEIGHTS,
    stage: str = "all",
    diffusion_steps: int = Recipe.diffusion_steps,
    threads: int = 2,
) -> None:
    """Train and export the embedded model. Run it again to go on after an interruption."""
    torch.set_num_threads(threads)
    recipe = Recipe(diffusion_steps=diffusion_steps)
    for folder in (work, out):
        folder.mkdir(parents=True, exist_ok=True)
    keep_recipe(recipe, work)
    wanted = (
        {"vae", "diffusion", "classifiers", "contents", "similarity"} if stage == "all" else {stage}
    )
    scenes = draw_scenes(work / "scenes", recipe.scenes, recipe.seed, balanced=False)
    vae = train_vae(recipe, work, scenes)
    if "diffusion" in wanted:
        latents, scaling = encode_latents(work, vae, scenes)
        average = train_diffusion(recipe, work, scenes, latents, scaling)
        export(work, out, vae, scaling, average)
    if "classifiers" in wanted:
        for name, (kind, seed, steps) in CLASSIFIERS.items():
            own = draw_scenes(
                work / f"{name}_scenes", recipe.classifier_scenes, seed, balanced=True
            )
            pixels = classifier_pixels(work, name, own, vae)
            model = train_classifier(
                recipe, work, name, kind, list(MIKELS.labels), seed, pixels, own.labels[:, 0], steps
            )
            export_classifier(model, out / name)
    if "contents" in wanted:
        pixels = classifier_pixels(work, "contents", scenes, vae)
        for name, (names, column) in CONTENTS.items():
            labels = scenes.labels[:, column]
            model = train_classifier(
                recipe,
                work,
                name,
                "resnet",
                names,
                30 + column,
                pixels,
                labels,
                recipe.content_steps,
            )
            export_classifier(model, out / name)
    if "similarity" in wanted:
        model = train_clip(recipe, work, classifier_pixels(work, "contents", scenes, vae), scenes)
        model.save_pretrained(out / "clip", safe_serialization=True)
        side = build.CLASSIFIER_SIDE
        images = CLIPImageProcessor(
            size={"shortest_edge": side},
            crop_size={"height": side, "width": side},
            image_mean=MEAN,
            image_std=STD,
        )
        CLIPProcessor(images, build.build_tokenizer(work / "tokenizer")).save_pretrained(
            out / "clip"
        )
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")


if __name__ == "__main__":
    app()
