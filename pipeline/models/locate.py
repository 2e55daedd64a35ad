"""The models of a run: where they lie, what they are (content hashes), and how a worker loads them."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import muse.mini
from muse.classifiers.spec import ClassifierSpec, read_spec
from muse.diffusion.hub import FULL, NO_PEFT, PIPELINE, PLAIN, configs_beside, local_folder
from muse.emotions.labels import clean
from muse.images import to_tensor
from pipeline.config import EMBEDDED, SAME_JUDGE, Config, folder_and_label
from pipeline.errors import UserError
from pipeline.generation.engine import Engine, EngineInput, EngineOutput, Scores
from pipeline.generation.null_engine import NullEngine
from pipeline.models.model_safety import problems_of
from pipeline.planning.retry_strategy import is_refinement, refined_method
from pipeline.storage.files import sha256_file, sha256_folder

if TYPE_CHECKING:
    from muse.classifiers import EmotionClassifier
    from muse.classifiers.clip import ClipSimilarity
    from muse.emotions import Target
    from muse.emotions.probabilities import Probabilities
    from muse.engine import MuseEngine
    from muse.request import Request, Sample

ROLES = {"model": "diffusion", "guide": "guide", "judge": "judge", "similarity": "clip"}
"""Setting: folder of the embedded weights that serves it by default."""


CLASSIFIERS = ("guide", "judge")
FILES = ("model", "vae", "lora")
"""Roles that a single file may serve."""

FILTER_MODELS = "filter_models."
"""Before a filter's name in the role of its model: the setting that names it."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of a run: the name the user gave, the folder it lies in, the hash of its content.

    Attributes:
        weights: of a classifier, a hash of the weights of each single classifier that it asks.
    """

    name: str
    path: str
    sha256: str
    weights: tuple[str, ...] = ()


def locate(config: Config) -> dict[str, Model]:
    """Every model of the run by its role, hashed; classifiers' labels held against the taxonomy.

    Raises:
        UserError: a folder that is missing or not trusted, a hub id that is neither in the cache nor can be fetched, a
            classifier whose labels do not match, a filter's label that its classifier does not have, a judge that is
            the guide, or LoRAs without peft.
    """
    if config.engine == "null":
        return {"model": Model("null", "", "")} | _filter_models(config, sha256_file)
    sha256 = cache(
        sha256_file
    )  # a classifier's weights are asked for twice, and two roles may share a folder
    found = {}
    for role, folder in ROLES.items():
        name = getattr(config, role)
        try:
            path = muse.mini.WEIGHTS / folder if name == EMBEDDED else _located(role, name)
            _trust(path)
            if role in CLASSIFIERS:
                source = read_spec(path)
                source.check(config.taxonomy, config.label_map.get(role))
        except ValueError as error:
            where = (
                f"; the label_map is the table [label_map.{role}]"
                if "label_map" in str(error)
                else ""
            )
            raise UserError(f"--{role} {name!r}: {error}{where}") from None
        weights = (
            tuple(_weights_of(leaf, sha256) for leaf in source.leaves())
            if role in CLASSIFIERS
            else ()
        )
        found[role] = Model(name, str(path), _hash_at(role, path, sha256), weights)
    if config.lora and importlib.util.find_spec("peft") is None:
        raise UserError(f"config: lora: {NO_PEFT}")
    parts = {"vae": config.vae, "preview": "" if config.preview == FULL else config.preview}
    parts |= {f"lora {number}": name for number, name in enumerate(config.lora)}
    for part, name in parts.items():
        if name:
            try:
                path = _located(part, name)
                _trust(path)
            except ValueError as error:
                raise UserError(f"config: {part.split()[0]} {name!r}: {error}") from None
            found[part] = Model(name, str(path), _hash_at(part, path, sha256))
    found |= _filter_models(config, sha256)
    if is_same_judge(found) and not config.allow_same_judge:
        raise UserError(f"--guide and --judge have the same weights; {SAME_JUDGE}")
    return found


def filter_role(name: str) -> str:
    """The role of the model of that filter."""
    return FILTER_MODELS + name


def _filter_models(config: Config, sha256: Callable[[Path], str]) -> dict[str, Model]:
    found = {}
    for name, told in sorted(config.filter_models.items()):
        folder, label = folder_and_label(told)
        role = filter_role(name)
        try:
            path = _located(role, folder)
            _trust(path)
            labels = read_spec(path).own_taxonomy().labels
            if clean(label) not in labels:
                raise ValueError(f"it has no label {label!r}; choose {', '.join(labels)}")
        except ValueError as error:
            raise UserError(f"config: {role} {folder!r}: {error}") from None
        found[role] = Model(folder, str(path), _hash_at(role, path, sha256))
    return found


def is_same_judge(models: Mapping[str, Model]) -> bool:
    """Whether the judge, or a member of it, is the guide or a member of it, by the content of their weights."""
    guide, judge = ({*models[role].weights} if role in models else set() for role in CLASSIFIERS)
    return not guide.isdisjoint(judge)


def on_this_node(role: str, model: Model) -> Model:
    """The model where this node has it: the driver's path, or this node's own copy of the embedded or hub model.

    However many workers a node has, a hub model is fetched to it once. Weights never travel through Ray.

    Raises:
        UserError: there is none, or it is another model than the driver's.
    """
    try:
        if model.name == EMBEDDED:
            path = muse.mini.WEIGHTS / ROLES[role]
        else:
            path = Path(model.path) if Path(model.path).exists() else _located(role, model.name)
        other = str(path) != model.path and _hash_at(role, path) != model.sha256
    except ValueError as error:
        raise UserError(f"{role} {model.name!r}: {error}") from None
    if other:
        raise UserError(
            f"{role} {model.name!r}: {path} of this node is another model than the driver's; update it"
        )
    return dataclasses.replace(model, path=str(path))


def _located(role: str, name: str) -> Path:
    """A folder, a single `.safetensors` file, or the local copy of a hub id."""
    file = Path(name).expanduser()
    if file.suffix == ".safetensors" and file.is_file():
        if role.split()[0] not in FILES:
            raise ValueError("it is a single file; give the folder that it lies in")
        return file.resolve()
    return local_folder(name, PIPELINE if role == "model" else PLAIN)


def _trust(path: Path) -> None:
    """Raises: ValueError if a model has pickled weights, code of its own or damaged files; all of it told."""
    if problems := list(problems_of(path)):
        raise ValueError("\n  ".join(problems[:10]))


def _hash_at(role: str, path: Path, sha256: Callable[[Path], str] = sha256_file) -> str:
    """One hash of all that a model is read from: a folder, a file with what describes it, a classifier's folders."""
    if path.is_file():
        configs = configs_beside(path)
        parts = [sha256(path), *([sha256_folder(configs, sha256)] if configs else [])]
    else:
        classifies = role in CLASSIFIERS or role.startswith(FILTER_MODELS)
        folders = read_spec(path).folders() if classifies else (path,)
        parts = [sha256_folder(folder, sha256) for folder in folders]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def _weights_of(leaf: ClassifierSpec, sha256: Callable[[Path], str]) -> str:
    """A hash of a single classifier's weights alone: copies under other names or settings count as the same."""
    files = {file for folder in leaf.folders() for file in folder.glob("*.safetensors")}
    return hashlib.sha256("".join(sorted(sha256(file) for file in files)).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The muse engine as a worker holds it, one that refines, and the models that score what they made."""

    engine: MuseEngine
    refining: MuseEngine
    guide: EmotionClassifier
    judge: EmotionClassifier
    clip: ClipSimilarity
    device: str
    side: int

    def draw(self, requests: Sequence[EngineInput]) -> list[EngineOutput]:
        """Make all requests as one batch of the engine, refinements as another, and score what came out."""
        import torch
        from PIL import Image

        from muse.classifiers.clip import similarity

        made: dict[int, Sample] = {}
        for engine in (self.engine, self.refining):
            chosen = [
                i
                for i, asked in enumerate(requests)
                if (engine is self.refining) == is_refinement(asked.planned)
            ]
            if chosen:
                made |= zip(
                    chosen, engine.run([_request(requests[i]) for i in chosen]), strict=True
                )
        samples = [made[i] for i in range(len(requests))]
        sound = [i for i, sample in enumerate(samples) if sample.pixels is not None]
        scores: dict[int, tuple[Scores, Scores, float]] = {}
        if sound:
            with torch.inference_mode():
                # Judged is what is stored: the rounded picture, not the decoder's floats.
                stack = torch.stack([samples[i].pixels for i in sound]).to(self.device)
                pixels = stack.permute(0, 3, 1, 2).float() / 255
                targets = [requests[i].target for i in sound]
                judged, guided = (
                    _opinions(asked.probs(pixels), targets) for asked in (self.judge, self.guide)
                )
                texts = self.clip.text([requests[i].planned.prompt for i in sound])
                alike = similarity(self.clip.image(pixels), texts).tolist()
            scores = {i: (judged[k], guided[k], alike[k]) for k, i in enumerate(sound)}
        drawn = []
        for i, sample in enumerate(samples):
            if sample.pixels is None:
                drawn.append(EngineOutput(None, failure=sample.failure or "no image"))
                continue
            trace, (by_judge, by_guide, alike_i) = sample.trace, scores[i]
            picture = Image.fromarray(sample.pixels.numpy())
            drawn.append(EngineOutput(picture, by_judge, by_guide, alike_i, asdict(trace)))
        return drawn


def _opinions(probs: Probabilities, targets: Sequence[Target]) -> list[Scores]:
    return [
        Scores(p, t.confidence(p, probs.multi_label))
        for p, t in zip(probs.p.tolist(), targets, strict=True)
    ]


def _request(asked: EngineInput) -> Request:
    from muse.request import Request

    planned, image = asked.planned, None if asked.image is None else to_tensor(asked.image)
    return Request(planned.prompt, asked.target, planned.seed, planned.negative_prompt, image)


def import_libraries(config: Config) -> None:
    """Import what `load` needs, ahead of it: a log can then tell the seconds of the two apart."""
    if config.engine != "null":
        from diffusers import AutoencoderKL  # noqa: F401, torch and the models of diffusers and transformers with it
        from transformers import CLIPModel  # noqa: F401


def load(models: Mapping[str, Model], config: Config, on_gpu: bool) -> Engine:
    """The engine of the run with its models, through the same code whatever they are."""
    if config.engine == "null":
        return NullEngine(config.null)
    import torch

    from muse.classifiers import load_classifier
    from muse.classifiers.clip import ClipSimilarity
    from muse.diffusion.backbones import load_backbone
    from muse.engine import MuseEngine

    torch.set_num_threads(config.threads)
    device = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
    models = {role: on_this_node(role, model) for role, model in models.items()}
    backbone = load_backbone(
        models["model"].path,
        device,
        config.dtype,
        models["vae"].path if "vae" in models else None,
        [models[f"lora {number}"].path for number in range(len(config.lora))],
        models["preview"].path if "preview" in models else config.preview,
        config.preview_side,
        config.compile,
    )
    guide, judge = (
        load_classifier(models[role].path, config.taxonomy, config.label_map.get(role)).to(device)
        for role in CLASSIFIERS
    )
    clip = ClipSimilarity.from_pretrained(models["similarity"].path).to(device)
    side = backbone.latent_shape[-1] * backbone.codec.pixels_per_latent
    engine, refining = (
        MuseEngine(backbone, guide, clip, method, config.slots)
        for method in (config.method, refined_method(config.method))
    )
    return Loaded(engine, refining, guide, judge, clip, device, side)
