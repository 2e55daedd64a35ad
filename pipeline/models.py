"""The models of a run: where they lie, what they are (content hashes), and how a worker loads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import muse.mini
from pipeline.config import EMBEDDED, Config
from pipeline.drawing import Asked, Drawn, Engine
from pipeline.errors import UserError
from pipeline.images import to_tensor
from pipeline.null import NullEngine
from pipeline.storage import sha256_folder

if TYPE_CHECKING:
    from muse.classifiers import EmotionClassifier
    from muse.engine import MuseEngine
    from muse.similarity import ClipSimilarity

ROLES = {"model": "diffusion", "guide": "guide", "judge": "judge", "similarity": "clip"}
"""Setting: folder of the embedded weights that serves it by default."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of a run: the name the user gave, the folder it lies in, the hash of its content."""

    name: str
    path: str
    sha256: str


def locate(config: Config) -> dict[str, Model]:
    """Every model of the run by its role, hashed.

    Raises:
        UserError: a folder that is not there, or a hub id that is not in the local cache and cannot be fetched.
    """
    if config.engine == "null":
        return {"model": Model("null", "", "")}
    found = {}
    for role, folder in ROLES.items():
        name = getattr(config, role)
        path = muse.mini.WEIGHTS / folder if name == EMBEDDED else _resolve(role, name)
        if not path.is_dir():
            raise UserError(f"--{role} {name!r}: there is no folder {path}")
        found[role] = Model(name, str(path), sha256_folder(path))
    if found["guide"].sha256 == found["judge"].sha256:
        raise UserError("--guide and --judge are the same model; a judge that was optimised against confirms anything")
    return found


def on_this_node(role: str, model: Model) -> Model:
    """The model where this node has it: the driver's folder, or this node's own copy of the embedded or hub model.

    However many workers a node has, a hub model is fetched to it once. Weights never travel through Ray.

    Raises:
        UserError: there is none, or it is another model than the driver's.
    """
    if model.name == EMBEDDED or Path(model.path).is_dir():
        path = muse.mini.WEIGHTS / ROLES[role] if model.name == EMBEDDED else Path(model.path)
        known = str(path) == model.path
    else:
        path, known = _resolve(role, model.name), False
    if not known and sha256_folder(path) != model.sha256:
        raise UserError(f"--{role} {model.name!r}: {path} of this node is another model than the driver's; update it")
    return dataclasses.replace(model, path=str(path))


def _resolve(role: str, name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise UserError(f"--{role} {name!r}: there is no such folder, and it is not a hub id (owner/name)")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model"]))
    except Exception as error:  # hub errors come in many classes, all mean the same to the user
        raise UserError(
            f"--{role} {name!r}: no such folder here, and the hub gave: {type(error).__name__}; "
            "check the name, or download it and give the folder"
        ) from None


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The muse engine as a worker holds it, with the models that score what it made."""

    engine: MuseEngine
    guide: EmotionClassifier
    judge: EmotionClassifier
    clip: ClipSimilarity
    device: str
    side: int

    def draw(self, requests: Sequence[Asked]) -> list[Drawn]:
        """Make all requests as one batch of the engine, and score what came out."""
        import torch
        from PIL import Image

        from muse.engine import Request
        from muse.similarity import similarity

        samples = self.engine.run(
            [
                Request(
                    asked.planned.prompt,
                    asked.target,
                    asked.planned.seed,
                    asked.planned.negative_prompt,
                    None if asked.image is None else to_tensor(asked.image),
                )
                for asked in requests
            ]
        )
        sound = [i for i, sample in enumerate(samples) if sample.pixels is not None]
        scores: dict[int, tuple[list[float], list[float], float]] = {}
        if sound:
            with torch.inference_mode():
                # Judged is what is stored: the rounded picture, not the decoder's floats.
                stack = torch.stack([samples[i].pixels for i in sound]).to(self.device)
                pixels = stack.permute(0, 3, 1, 2).float() / 255
                judged = self.judge.logits(pixels).softmax(-1).tolist()
                guided = self.guide.logits(pixels).softmax(-1).tolist()
                texts = self.clip.text([requests[i].planned.prompt for i in sound])
                alike = similarity(self.clip.image(pixels), texts).tolist()
            scores = {i: (judged[k], guided[k], alike[k]) for k, i in enumerate(sound)}
        drawn = []
        for i, sample in enumerate(samples):
            if sample.pixels is None:
                drawn.append(Drawn(None, failure=sample.failure or "no image"))
                continue
            trace, (by_judge, by_guide, alike_i) = sample.trace, scores[i]
            picture = Image.fromarray(sample.pixels.numpy())
            drawn.append(Drawn(picture, by_judge, by_guide, alike_i, asdict(trace)))
        return drawn


def load(models: Mapping[str, Model], config: Config, on_gpu: bool) -> Engine:
    """The engine of the run with its models, through the same code whatever they are."""
    if config.engine == "null":
        return NullEngine(config.null)
    import torch

    from muse.backbone import StableDiffusion
    from muse.classifiers import FolderClassifier
    from muse.engine import MuseEngine
    from muse.similarity import ClipSimilarity

    torch.set_num_threads(config.threads)
    device = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
    models = {role: on_this_node(role, model) for role, model in models.items()}
    backbone = StableDiffusion.from_pretrained(models["model"].path, device)
    guide = FolderClassifier.from_pretrained(models["guide"].path).to(device)
    judge = FolderClassifier.from_pretrained(models["judge"].path).to(device)
    clip = ClipSimilarity.from_pretrained(models["similarity"].path).to(device)
    side = backbone.latent_shape[-1] * backbone.pixels_per_latent
    return Loaded(MuseEngine(backbone, guide, clip, config.method), guide, judge, clip, device, side)
