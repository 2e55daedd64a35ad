"""What is wrong with the scheduler that a model came with, put down to the model's own file."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from muse.diffusion.schedule.schedulers import SAMPLERS, TRAINED_FOR, training_of
from muse.diffusion.schedule.setting_values import NEVER_OPTIONS, type_problem, value_problem

FILE = "the model's scheduler_config.json"

FLOW_FAMILIES = ("StableDiffusion3Pipeline", "FluxPipeline", "ZImagePipeline")
"""Families whose models are trained for flow matching, all of them."""

BY_CLASS = ("solver_order", "solver_type", "algorithm_type")
"""Settings whose values mean something else in each class, so that those of one say nothing of
another."""

NOT_REPLACED = ("prediction_type", "trained_betas")
"""Settings that no method may replace."""

NO_IMAGE = ("invert_sigmas", "lambda_min_clipped")
"""Settings whose wrong values make a schedule that runs, but not from noise to an image."""

TRIAL_STEPS, TRIAL_LIMIT = 50, 1e4
"""Steps in which a scheduler is tried, and by how much latents may grow in them."""


def own_problems(family: str, config: Mapping[str, Any]) -> Iterator[str]:
    """Why a family's model cannot be opened with the scheduler in its files.

    Args:
        family: the class of its pipeline.
        config: of the scheduler, with its `_class_name`; empty if it is not known.
    """
    import diffusers

    name = str(config.get("_class_name", ""))
    kind = getattr(diffusers, name, None)
    # What is wrong with its class, `muse.diffusion.files.part_classes` says.
    if kind is None:
        return
    training = training_of(config)
    if family in FLOW_FAMILIES and training != "flow":
        yield (
            f"scheduler/: {name} with these settings is for {TRAINED_FOR[training]}, but every "
            f"{family} was trained for flow matching; copy scheduler/ and model_index.json again "
            f"from the model, whose scheduler is {SAMPLERS['flow']['flow'][0]}"
        )
        return
    # Of a class whose packages are not installed, nothing can be said.
    if hasattr(kind, "_backends"):
        return
    try:
        kind.from_config(dict(config))
        return
    except Exception as error:  # diffusers raises whatever its arithmetic does
        cause = str(error)
    parameters = inspect.signature(kind.__init__).parameters
    wrong = []
    for key in [key for key in config if key in parameters]:
        if problem := type_problem(name, key, config[key], parameters[key]):
            wrong.append(f"{_says(key, config[key])}; {problem}: correct it")
    yield from wrong or [f"{FILE}: {name} does not take these settings: {cause}; correct the file"]


def check_own(name: str, kind: Any, config: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse values in a model's own file that the scheduler that runs it cannot take.

    Which values are read depends on others: what looks wrong is refused only if the scheduler does
    not run with it.

    Args:
        name: of the diffusers class `kind` that runs it.
        config: of the scheduler that the model came with, with its `_class_name`.
        given: settings that replace those of `config`.

    Raises:
        ValueError: with the name, the value and what is allowed.
    """
    is_other = config.get("_class_name", name) != name
    for key, parameter in inspect.signature(kind.__init__).parameters.items():
        if key not in config or key in given or (is_other and key in BY_CLASS):
            continue
        problem = value_problem(name, key, config[key], parameter)
        if problem and (key in NO_IMAGE or not _runs(kind, {**config, **given})):
            other = "" if key in NOT_REPLACED else f", or set method.scheduler.{key}"
            raise ValueError(f"{_says(key, config[key])}; {problem}: correct it{other}")


def _runs(kind: Any, config: Mapping[str, Any]) -> bool:
    """Whether a diffusers scheduler makes something finite of noise, with any network."""
    # What checks a model's files imports it too, for commands that need no torch.
    import torch

    try:
        off = dict.fromkeys(NEVER_OPTIONS, False)
        scheduler = kind.from_config(dict(config), **off)
        # The shift by the size of the image, which pipelines compute.
        shift = {"mu": 1.0} if scheduler.config.get("use_dynamic_shifting") else {}
        steps = min(TRIAL_STEPS, scheduler.config.num_train_timesteps)
        scheduler.set_timesteps(steps, **shift)
        draw = torch.Generator().manual_seed(0)
        latents = torch.randn(1, 4, 2, 2, generator=draw)
        latents *= float(getattr(scheduler, "init_noise_sigma", 1.0))
        most = TRIAL_LIMIT * float(latents.abs().max())
        for timestep in scheduler.timesteps:
            output = torch.randn(latents.shape, generator=draw)
            latents = scheduler.step(output, timestep, latents, return_dict=False)[0]
    except Exception:  # diffusers raises whatever its arithmetic does
        return False
    return bool(latents.isfinite().all()) and float(latents.abs().max()) < most


def source_of(options: Mapping[str, Any]) -> str:
    """Where the settings of a scheduler that cannot be used come from, in words.

    Args:
        options: those that the method gave.
    """
    return "method.scheduler" if options else FILE


def _says(key: str, value: Any) -> str:
    """That the model's file has a setting."""
    return f"{FILE} has {key} = {json.dumps(value, default=str)}"
