"""The models of a run: which folder or file each role is read from, checked and hashed."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from muse.classifiers.load import check_folder
from muse.classifiers.spec import ClassifierSpec, read_spec
from muse.diffusion.files.hub import NO_PEFT
from muse.diffusion.files.model_problems import family_problem
from muse.diffusion.files.tiny_decoders import SLOWER, absence_warnings, candidates
from muse.emotions.labels import clean
from muse.guidance.fitted_tokens_file import place_of
from pipeline.config import Config, folder_and_label
from pipeline.config_models import EMBEDDED, SAME_JUDGE
from pipeline.errors import UserError
from pipeline.models.absent import absence_warning
from pipeline.models.hashing import HashFile, hash_model, hash_weights, sample_file
from pipeline.models.method_fit import check_method, model_warnings
from pipeline.models.model_fit import OnWarning, PartFit, model_problems_of
from pipeline.models.model_safety import classifier_problems, problems_of
from pipeline.models.roles import (
    CLASSIFIERS,
    filter_role,
    is_classifier,
    local_path,
    main_names,
    option_of,
    part_names,
    read_from,
)
from pipeline.storage.files import sha256_file

MAX_PROBLEMS = 10
"""Problems of one model that a message lists."""


@dataclasses.dataclass(frozen=True)
class Files:
    """How the files of models are read.

    Attributes:
        sha256: the hash of a file.
        download: fetch models of the hub that are not on this machine.
    """

    sha256: HashFile
    download: bool = True


READ = Files(sha256_file)
"""Hash what files hold, and download what is missing."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of a run.

    Attributes:
        name: as the user gave it: a path, a hub id, or `embedded`.
        path: the folder or file it is read from.
        sha256: of its content, as hex; empty for the null engine.
        weights: of a classifier, the SHA-256 of the weights of each single classifier in it.
    """

    name: str
    path: str
    sha256: str
    weights: tuple[str, ...] = ()


def locate(
    config: Config, files: Files = READ, on_warning: OnWarning = lambda warning: None
) -> dict[str, Model]:
    """Every model of the run by its role, hashed, and with labels that match the taxonomy.

    Args:
        files: how they are hashed, and whether models of the hub are downloaded.
        on_warning: is given what was passed over: tensors that are not read, layers of LoRAs that
            the model does not have, and a tiny decoder that was found and cannot be used.

    Raises:
        UserError: a folder that is missing, incomplete or not safe to load; a hub id that is
            neither cached nor can be fetched; a classifier whose labels do not match; an image
            processor that is not supported; a filter's label that its classifier does not have; a
            judge with the guide's weights; LoRAs without peft.
    """
    # Two roles may share a folder, and a classifier's weights are hashed twice.
    files = dataclasses.replace(files, sha256=cache(files.sha256))
    if config.engine == "null":
        return {"model": Model("null", "", "")} | _filter_models(config, files)
    models = {}
    for role, name in main_names(config).items():
        models[role] = _main_model(role, name, config, files, on_warning)
    model = Path(models["model"].path)
    check_method(model, config)
    models |= _parts(config, files, model, on_warning)
    models |= _filter_models(config, files)
    if is_same_judge(models) and not config.allow_same_judge:
        raise UserError(f"--guide and --judge have the same weights; {SAME_JUDGE}")
    return models


def check_models(config: Config) -> list[str]:
    """What `locate` would find wrong; reads of weights only their headers and the ends of their
    files, and downloads nothing.

    Returns:
        Warnings: of models that are not on this machine or not chosen, and were not checked; and
            those of `model_warnings`.

    Raises:
        UserError: as `locate`.
    """
    if warning := absence_warning(config):
        return [warning]
    # Whoever plans with a taxonomy of their own may not have chosen its classifiers yet.
    if lacking := [role for role in CLASSIFIERS if _needs_another(role, config)]:
        options = " and ".join(f"--{role}" for role in lacking)
        return [
            "the embedded classifiers have other emotions than the taxonomy "
            f"{config.taxonomy.name}; a run needs {options}, and the models are checked then"
        ]
    warnings: list[str] = []
    models = locate(config, Files(sample_file, download=False), warnings.append)
    warnings += model_warnings(config, models["model"].path, models["similarity"].path)
    return [*warnings, *absence_warnings(Path(models["model"].path), config.tiny_vae)]


def _needs_another(role: str, config: Config) -> bool:
    """Whether a classifier was not given, and the embedded one has other emotions."""
    if config.engine == "null" or getattr(config, role) != EMBEDDED or role in config.label_map:
        return False
    try:
        read_spec(local_path(role, EMBEDDED)).check(config.taxonomy, None)
    except ValueError:
        return True
    return False


def is_same_judge(models: Mapping[str, Model]) -> bool:
    """Whether the judge and the guide share the weights of any single classifier."""
    guide, judge = ({*models[role].weights} if role in models else set() for role in CLASSIFIERS)
    return not guide.isdisjoint(judge)


def _main_model(role: str, name: str, config: Config, files: Files, on_warning: OnWarning) -> Model:
    """The model of one of `ROLES`."""
    spec: ClassifierSpec | None = None
    try:
        path = _safe_path(role, name, files)
        if role == "model":
            # What comes with the package is complete, and reading its headers takes seconds.
            _refuse(model_problems_of(path, on_warning, with_weights=name != EMBEDDED))
        if role in CLASSIFIERS:
            spec = read_spec(path)
            spec.check(config.taxonomy, config.label_map.get(role))
        # The embedded ones are known to be right, and to look at others takes transformers.
        if name != EMBEDDED and role != "model":
            check_folder(path, spec)
    except ValueError as error:
        hint = (
            f"; the label_map is the table [label_map.{role}]" if "label_map" in str(error) else ""
        )
        raise UserError(f"{option_of(role)} {name!r}: {error}{hint}") from None
    weights = [hash_weights(leaf, files.sha256) for leaf in spec.leaves()] if spec else []
    return Model(name, str(path), hash_model(path, role, files.sha256), tuple(weights))


def _parts(config: Config, files: Files, model: Path, on_warning: OnWarning) -> dict[str, Model]:
    """The models that replace or change a part of `model`; see `part_names`."""
    if config.lora and importlib.util.find_spec("peft") is None:
        raise UserError(f"{config.source_of('lora')}: lora: {NO_PEFT}")
    models, fit = {}, PartFit(model, on_warning)
    for role, name in part_names(config).items():
        try:
            models[role] = _part(role, name, files, fit)
        except ValueError as error:
            key = role.split()[0]
            raise UserError(f"{config.source_of(key)}: {key} {name!r}: {error}") from None
    if not config.fitted_tokens and (own := place_of("", model)):
        # They belong to the model's folder, and are hashed with it.
        try:
            _refuse(fit.problems("fitted_tokens", str(own), own))
        except ValueError as error:
            whose = "" if str(own) in str(error) else f"{own}: "
            raise UserError(f'{whose}{error}; or set fitted_tokens = "none"') from None
    if not config.tiny_vae and (tiny := _found_tiny_vae(files, model, on_warning)):
        models["tiny_vae"] = tiny
    return models


def _found_tiny_vae(files: Files, model: Path, on_warning: OnWarning) -> Model | None:
    """The tiny decoder that is found by the model's kind, where none is named. Nobody has asked for
    it: one that cannot be used is passed over.
    """
    for name in candidates(model):
        try:
            return _part("tiny_vae", name, files, PartFit(model, on_warning))
        except ValueError as error:
            on_warning(
                f"the tiny decoder {name} was found, but cannot be used: {error}. Without it, "
                f'{SLOWER}; correct that, or set tiny_vae = "none" to keep the VAE'
            )
    return None


def _part(role: str, name: str, files: Files, fit: PartFit) -> Model:
    """A model that replaces or changes a part of another.

    Raises:
        ValueError: it cannot be read, is not safe, or does not fit.
    """
    path = _safe_path(role, name, files)
    _refuse(fit.problems(role, name, path))
    return Model(name, str(path), hash_model(path, role, files.sha256))


def _filter_models(config: Config, files: Files) -> dict[str, Model]:
    """The classifiers whose probabilities are the scores of filters."""
    models = {}
    for name, model_and_label in sorted(config.filter_models.items()):
        folder, label = folder_and_label(model_and_label)
        role = filter_role(name)
        try:
            path = _safe_path(role, folder, files)
            spec = read_spec(path)
            labels = spec.own_taxonomy().labels
            if clean(label) not in labels:
                raise ValueError(f"it has no label {label!r}; choose {', '.join(labels)}")
            check_folder(path, spec)
        except ValueError as error:
            raise UserError(f"{config.source_of(role)}: {role} {folder!r}: {error}") from None
        models[role] = Model(folder, str(path), hash_model(path, role, files.sha256))
    return models


def _safe_path(role: str, name: str, files: Files) -> Path:
    """The local path of a model that is safe to load.

    Raises:
        ValueError: there is none, or it has pickled weights, code of its own or damaged files.
    """
    path = local_path(role, name, files.download)
    if is_classifier(role):
        _refuse(classifier_problems(path))
        return path
    # Whatever else such a model lacks: it cannot be run.
    if role == "model" and (problem := family_problem(path)):
        raise ValueError(problem)
    _refuse(problems_of(read_from(role, path), in_parts=role == "model"))
    return path


def _refuse(found: Iterable[str]) -> None:
    """
    Raises:
        ValueError: with the first problems of a model, if it has any.
    """
    if problems := list(found):
        raise ValueError("\n  ".join(problems[:MAX_PROBLEMS]))
