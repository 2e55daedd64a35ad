"""Loads the engine of a run in a worker, through the same code whatever its models are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath

from muse.diffusion.compiling import AUTO, Workload, checked, decide
from pipeline.config import Config
from pipeline.errors import one_line
from pipeline.generation.engines.engine import Engine
from pipeline.generation.engines.muse_engine import ScoringMuseEngine
from pipeline.generation.engines.null_engine import NullEngine
from pipeline.models.locate import Model
from pipeline.models.node import on_this_node
from pipeline.models.roles import CLASSIFIERS

SHORT = Workload()
"""The work of a run of which nothing is known."""


def import_libraries(config: Config) -> None:
    """Import what `load_engine` needs, so that its time can be logged apart from the models'."""
    if config.engine != "null":
        # They import torch, and the models of diffusers and transformers.
        from diffusers import AutoencoderKL  # noqa: F401
        from transformers import CLIPModel  # noqa: F401


def load_engine(
    models: Mapping[str, Model], config: Config, on_gpu: bool, work: Workload = SHORT
) -> Engine:
    """The engine of the run with its models in memory.

    Args:
        work: of the whole run.

    Raises:
        UserError: a model is missing on this node, or differs from the driver's.
    """
    if config.engine == "null":
        return NullEngine(config.faults)
    return _load_muse(models, config, on_gpu, work)


def _load_muse(
    models: Mapping[str, Model], config: Config, on_gpu: bool, work: Workload
) -> ScoringMuseEngine:
    import torch

    from muse.classifiers import load_classifier
    from muse.classifiers.clip import ClipSimilarity
    from muse.diffusion.backbones import load_backbone
    from muse.diffusion.devices import dtype_name
    from muse.diffusion.files.part_weights import PartlyRead
    from muse.diffusion.live_memory import bytes_of
    from muse.diffusion.memory import Room, device_bytes, fit
    from muse.engine.engine import MuseEngine

    torch.set_num_threads(config.threads)
    device = "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
    models = {role: on_this_node(role, model) for role, model in models.items()}
    compiling = decide(config.compile, device, work)
    # On the host first: what goes to the device depends on the room that the others leave there.
    with _named(models["model"], "diffusion model"), warnings.catch_warnings():
        # The driver has told of it when it located the models.
        warnings.simplefilter("ignore", PartlyRead)
        backbone = load_backbone(
            models["model"].path,
            "cpu",
            dtype_name(config.dtype, device),
            models["vae"].path if "vae" in models else None,
            [_lora(models[f"lora {number}"]) for number in range(len(config.lora))],
            models["tiny_vae"].path if "tiny_vae" in models else config.tiny_vae,
            compiling.is_on,
            config.clip_skip,
            config.vae_tiling,
            [_embedding(models[f"embedding {number}"]) for number in range(len(config.embedding))],
            models["fitted_tokens"].path if "fitted_tokens" in models else config.fitted_tokens,
        )
    classifiers = []
    for role in CLASSIFIERS:
        with _named(models[role], role):
            labels = config.label_map.get(role)
            classifier = load_classifier(models[role].path, config.taxonomy, labels)
            classifiers.append(classifier.to(device))
    guide, judge = classifiers
    clips = {}
    for role, text in (("similarity", "similarity model"), ("content_judge", "content judge")):
        if role in models:
            with _named(models[role], text):
                clips[role] = ClipSimilarity.from_pretrained(models[role].path).to(device)
    clip = clips["similarity"]
    beside = sum(map(bytes_of, (guide, judge, *clips.values())))
    rows = config.slots or config.batch_size
    total = device_bytes(device, config.gpus_per_worker)
    room = Room(config.memory, rows, total, beside, guide, config.size)
    level = fit(backbone, torch.device(device), room)
    engine = MuseEngine(backbone, guide, clip, config.method, config.slots)
    if compiling.is_on and config.compile == AUTO:
        # What nobody asked for must not fail a run.
        attempt = partial(engine.try_memory, 1, config.size)
        compiling = checked(compiling, backbone.network, attempt)
    parts = (engine, guide, judge, clips.get("content_judge", clip))
    return ScoringMuseEngine(*parts, device, backbone.sizes, level, str(compiling))


@contextmanager
def _named(model: Model, role: str) -> Iterator[None]:
    """Have an error that occurs while a model is loaded say which.

    Raises:
        ValueError: with the cause.
    """
    try:
        yield
    except Exception as error:  # all libraries of models raise many classes here
        cause = one_line(error).removeprefix(f"{model.path}: ")
        raise ValueError(f"the {role} {model.path} cannot be loaded: {cause}") from error


def _lora(model: Model) -> str:
    """The path of a LoRA on this node with the strength that the user gave it."""
    from muse.diffusion.files.hub import lora_and_strength

    strength = 1.0 if _is_whole_path(model) else lora_and_strength(model.name)[1]
    return f"{model.path}:{strength}"


def _embedding(model: Model) -> str:
    """The path of a textual inversion on this node with the token that the user gave it."""
    from muse.diffusion.files.hub import embedding_and_token

    token = None if _is_whole_path(model) else embedding_and_token(model.name)[1]
    return model.path if token is None else f"{model.path}:{token}"


def _is_whole_path(model: Model) -> bool:
    """Whether all of a model's name is a path, whatever follows a colon in it."""
    # Then this ends as it does. It may be a relative path, and workers have another working
    # directory.
    return PurePath(model.path).name == PurePath(model.name).name
