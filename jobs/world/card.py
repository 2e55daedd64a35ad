"""Measure the embedded model and write its card: `python -m jobs.world.card`.

Writes `muse/mini/README.md`, `figures.json` and `sheet.png` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from PIL import Image
from torch import Tensor

from jobs.evaluation.arms.registry import BATCH, run_arm
from jobs.evaluation.cases import draw_cases, draw_mixtures, mixed_scenes
from jobs.evaluation.corpora import draw_scenes
from jobs.evaluation.measures.metrics import ROLES, Examiners
from jobs.options import Threads
from jobs.world.autoencoder import round_trip
from jobs.world.sheet import lay_out
from muse.diffusion.backbones import Backbone, load_backbone
from muse.emotions import MIKELS
from muse.method import Method
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.factors import NEUTRAL_SHARE, STRAY_SHARE
from muse.mini.world.render import SIZE
from muse.mini.world.styles import STYLES

HELD_OUT = 900_001
"""Seed of scenes that no training used."""

CARD = WEIGHTS.parent / "README.md"

WAYS = {
    "clean": "clean",
    "blur": "blur",
    "noise": "noise",
    "vae": "VAE",
    "two": "two emotions",
}
"""What classifiers are measured on, and its name in the card."""

COLUMNS = 4
"""Scenes an emotion on the sheet, and as many generated pictures."""


def blur(pixels: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(pixels, 2), size=pixels.shape[-2:], mode="bilinear")


def noise(pixels: Tensor) -> Tensor:
    return pixels + 0.08 * torch.randn(
        pixels.shape, generator=torch.Generator().manual_seed(HELD_OUT)
    )


def classifier_figures(examiners: Examiners, backbone: Backbone, count: int) -> dict[str, Any]:
    """Accuracy of every classifier on held-out scenes, as rendered and degraded.

    Also on scenes of two emotions, of which both have to be among the three strongest; the PSNR of
    the VAE, and of the tiny decoder against the full one, in dB.
    """
    scenes = draw_scenes(count, HELD_OUT, natural=False)
    pixels, mixtures = scenes.pixels, draw_mixtures(count, HELD_OUT)
    decoded = torch.cat([round_trip(backbone.codec.vae, part) for part in pixels.split(64)])
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "clean": lambda x: x,
        "blur": blur,
        "noise": noise,
        "vae": lambda _: decoded,
    }
    found = {name: examiners.measure(way(pixels), scenes.cases) for name, way in ways.items()}
    found["two"] = examiners.measure(mixed_scenes(mixtures, HELD_OUT), mixtures)
    names = {role: f"success_{role}" for role in ROLES} | {"place": "place", "subject": "subject"}
    accuracy: dict[str, dict[str, float]] = {}
    for name, metric in names.items():
        accuracy[name] = {way: float(values[metric].mean()) for way, values in found.items()}
    with torch.inference_mode():
        latents = [backbone.codec.encode(part) for part in pixels.split(64)]
        full = torch.cat([backbone.codec.decode(part) for part in latents])
        tiny = torch.cat([backbone.codec.decode_draft(part) for part in latents])
    return {"accuracy": accuracy, "psnr": psnr(pixels, decoded), "tiny_vae_psnr": psnr(full, tiny)}


def psnr(one: Tensor, other: Tensor) -> float:
    """Mean over images (n, 3, h, w) in [0, 1], in dB."""
    return float(-10 * (one - other).square().mean((1, 2, 3)).log10().mean())


def prompt_figures(examiners: Examiners, method: Method, count: int, seed: int) -> dict[str, Any]:
    """Success by the examiner of plain prompts, of words and of oracle prompts without guidance."""
    cases = draw_cases(count, seed, editing=False)
    figures: dict[str, Any] = {}
    for arm in ("plain", "words", "oracle"):
        pixels, _, _ = run_arm(WEIGHTS, method, arm, cases)
        found = examiners.measure(pixels, cases)
        success = found["success_examiner"]
        figures[arm] = {
            "success": float(success.mean()),
            "place": float(found["place"].mean()),
            "subject": float(found["subject"].mean()),
            "emotions": {
                e: float(success[i :: len(MIKELS)].mean()) for i, e in enumerate(MIKELS.labels)
            },
        }
    return figures


def pair_spread(examiners: Examiners, method: Method, seeds: int) -> list[float]:
    """Success of `words` for each of 64 (content, emotion) pairs, over `seeds` seeds each."""
    pairs = draw_cases(64, HELD_OUT, editing=False)
    cases = [
        replace(case, seed=1000 * n + case.seed % 1000) for case in pairs for n in range(seeds)
    ]
    pixels, _, _ = run_arm(WEIGHTS, method, "words", cases)
    success = examiners.measure(pixels, cases)["success_examiner"]
    return sorted(float(v) for v in success.reshape(len(pairs), seeds).mean(1))


def write_sheet(path: Path, method: Method) -> None:
    """An image with a row for each emotion: rendered scenes, then pictures of oracle prompts."""
    count = len(MIKELS) * COLUMNS
    drawn = draw_scenes(count, HELD_OUT, natural=False).pixels
    made, _, _ = run_arm(WEIGHTS, method, "oracle", draw_cases(count, HELD_OUT + 1, editing=False))
    rows: dict[str, list[Image.Image]] = {}
    for row, emotion in enumerate(MIKELS.labels):
        chosen = [*drawn[row :: len(MIKELS)], *made[row :: len(MIKELS)]]
        rows[emotion] = [as_picture(pixels) for pixels in chosen]
    lay_out(rows).save(path, optimize=True)


def as_picture(pixels: Tensor) -> Image.Image:
    """A picture of pixels (3, h, w) in [0, 1]."""
    return Image.fromarray((pixels.permute(1, 2, 0) * 255).round().byte().numpy())


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e6


CARD_TEXT = """# The embedded model

A small Stable Diffusion for tests, demos and measurements: {side} px, trained from scratch on
scenes that `muse/mini/world/render.py` draws. It has the folder layout of diffusers and is loaded
by the same code as Stable Diffusion 1.5. Apache-2.0, as the rest of the project; no third-party
weights, images or data.

![scenes, and generated pictures](sheet.png)

A row for each emotion: {columns} scenes as they are drawn, and {columns} pictures that were
generated from the factors in words.

## The world

{place_count} places and {subject_count} subjects in {style_count} drawing styles, with the emotion
that EmoSet's annotators found each content to evoke by itself:

- places: {places};
- subjects: {subjects}.

Emotion shows in light and weather, in the subject's posture and the expression of its face, and in
props. Each of Mikels' eight emotions is a distribution over them, and the distributions overlap. No
factor decides alone: {neutral:.0%} of the scenes of any emotion have it neutral, and {stray:.0%}
have any of its kind.

**The difficulty was calibrated.** Captions often name factors ("at night, in thick fog, with
bats"), so the text space can express every mood. They seldom name the emotion, and then the scene
shows it only sometimes, more often where it suits the content. And whoever names an emotion is
loose about contents: in {displaced:.0%} of those captions the scene has another place, and in as
many another subject, that evokes the emotion by itself. Therefore naming an emotion in a prompt
works only partly and at the cost of the content, as is published of real models.

## Success of prompts alone ({count} images an arm, guidance {guidance_scale:g}, {steps} steps)

Success is by the examiner: its strongest emotion is the target.

{prompts}

`plain` names the content, `words` adds "evoking EMOTION", `oracle` adds the target's factors.
Over 64 (content, emotion) pairs, {pair_seeds} seeds each, the success of `words` has the
quantiles 10, 25, 50, 75, 90 %: {quantiles}.

## Accuracy of the classifiers

On {held_out} held-out scenes, as drawn, blurred (half resolution), with noise (0.08) and after
the VAE; and on as many scenes of two emotions, of which both have to be among the three strongest.
Guide, judge and examiner differ in architecture, seed and training scenes. The **judge** has a
sigmoid for each emotion, as a picture may have several; the others have a softmax. No run uses the
**examiner**. Content is judged by `place`, `subject` and `content-clip`, which steer nothing.

{accuracy}

Reconstructions by the VAE: {psnr:.2f} dB PSNR. The tiny decoder, which shows predictions to the
guide, against the full one: {tiny_psnr:.2f} dB.

{megabytes}

## How to train it again

`make train`, stage by stage as `jobs/world/README.md` tells; it resumes from its checkpoints.
Weights depend on the float arithmetic of the hardware: expect such figures, not the same bytes.
Those that are kept took a longer way than the recipe, which that page tells. Recipe:

```json
{recipe}
```

Limits: {side} px, drawings, {place_count} x {subject_count} contents; some places, as toyshops and
what is under water, stay soft. Words outside its vocabulary have no effect, and `plan` names them.
"""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def prompt_table(prompts: Mapping[str, Any]) -> str:
    """Success of the arms of `prompt_figures`."""
    rows = []
    for arm, values in prompts.items():
        shares = [values["success"], values["place"], values["subject"]]
        rows.append([arm, *(f"{share:.0%}" for share in [*shares, *values["emotions"].values()])])
    return table(["prompt", "success", "place kept", "subject kept", *MIKELS.labels], rows)


def accuracy_table(accuracy: Mapping[str, Mapping[str, float]]) -> str:
    rows = []
    for name, values in accuracy.items():
        rows.append([name, *(f"{values[way]:.1%}" for way in WAYS)])
    return table(["", *WAYS.values()], rows)


def write_card(figures: dict[str, Any]) -> None:
    quantiles = np.quantile(figures["pair_spread"], [0.1, 0.25, 0.5, 0.75, 0.9])
    sizes = [[name, f"{size:.1f}"] for name, size in figures["megabytes"].items()]
    recipe = (WEIGHTS / "recipe.json").read_text().strip()
    text = CARD_TEXT.format(
        **{name: figures[name] for name in ("count", "guidance_scale", "steps", "pair_seeds")},
        **{name: figures[name] for name in ("held_out", "psnr")},
        side=SIZE,
        columns=COLUMNS,
        style_count=len(STYLES),
        displaced=json.loads(recipe)["displaced"],
        place_count=len(PLACES),
        subject_count=len(SUBJECTS),
        places=", ".join(PLACES),
        subjects=", ".join(SUBJECTS),
        neutral=NEUTRAL_SHARE,
        stray=STRAY_SHARE,
        prompts=prompt_table(figures["prompts"]),
        quantiles=", ".join(f"{value:.0%}" for value in quantiles),
        accuracy=accuracy_table(figures["accuracy"]),
        tiny_psnr=figures["tiny_vae_psnr"],
        megabytes=table(["weights", "MB"], sizes),
        recipe=recipe,
    )
    CARD.write_text(text)


def main(
    count: int = 256, held_out: int = 1600, pair_seeds: int = 6, threads: Threads = 2, seed: int = 7
) -> None:
    torch.set_num_threads(threads)
    method, examiners = Method(), Examiners(WEIGHTS)
    figures = classifier_figures(examiners, load_backbone(WEIGHTS / "diffusion"), held_out)
    print(json.dumps(figures, indent=1), flush=True)
    figures["prompts"] = prompt_figures(examiners, method, count // BATCH * BATCH, seed)
    print(json.dumps(figures["prompts"], indent=1), flush=True)
    figures["pair_spread"] = pair_spread(examiners, method, pair_seeds)
    figures["megabytes"] = {
        folder.name: megabytes(folder) for folder in sorted(WEIGHTS.iterdir()) if folder.is_dir()
    }
    figures["megabytes"]["all"] = megabytes(WEIGHTS)
    figures |= {"count": count, "held_out": held_out, "pair_seeds": pair_seeds, "seed": seed}
    figures |= {"guidance_scale": method.guidance_scale, "steps": method.steps}
    write_sheet(CARD.parent / "sheet.png", method)
    write_card(figures)
    (CARD.parent / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
