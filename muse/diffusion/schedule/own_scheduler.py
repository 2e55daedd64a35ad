"""What is wrong with the scheduler that a model came with, put down to the model's own file."""

from __future__ import annotations

import inspect
import json
from collections.abc import Container, Iterator, Mapping
from typing import Any

from muse.diffusion.schedule.schedulers import SAMPLERS, TRAINED_FOR, training_of
from muse.diffusion.schedule.setting_values import type_problem, value_problem

FILE = "the model's scheduler_config.json"

FLOW_FAMILIES = ("StableDiffusion3Pipeline", "FluxPipeline", "ZImagePipeline")
"""Families whose models are trained for flow matching, all of them."""

BY_CLASS = ("solver_order", "solver_type", "algorithm_type")
"""Settings whose values mean something else in each class, so that those of one say nothing of
another."""

NOT_REPLACED = ("prediction_type", "trained_betas")
"""Settings that no method may replace."""


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
    parameters = inspect.signature(kind.__init__).parameters
    wrong = False
    for key in [key for key in config if key in parameters]:
        if problem := type_problem(name, key, config[key], parameters[key]):
            wrong = True
            yield f"{_says(key, config[key])}; {problem}: correct it"
    if wrong:
        return
    try:
        kind.from_config(dict(config))
    except Exception as error:  # diffusers raises whatever its arithmetic does
        yield f"{FILE}: {name} does not take these settings: {error}; correct the file"


def check_own(name: str, kind: type, config: Mapping[str, Any], replaced: Container[str]) -> None:
    """Refuse values in a model's own file that the scheduler that runs it cannot take.

    Args:
        name: of the diffusers class `kind` that runs it.
        config: of the scheduler that the model came with, with its `_class_name`.
        replaced: settings whose values are not those of `config`.

    Raises:
        ValueError: with the name, the value and what is allowed.
    """
    is_other = config.get("_class_name", name) != name
    for key, parameter in inspect.signature(kind.__init__).parameters.items():  # type: ignore[misc]
        if key not in config or key in replaced or (is_other and key in BY_CLASS):
            continue
        if problem := value_problem(name, key, config[key], parameter):
            other = "" if key in NOT_REPLACED else f", or set method.scheduler.{key}"
            raise ValueError(f"{_says(key, config[key])}; {problem}: correct it{other}")


def source_of(options: Mapping[str, Any]) -> str:
    """Where the settings of a scheduler that cannot be used come from, in words.

    Args:
        options: those that the method gave.
    """
    return "method.scheduler" if options else FILE


def _says(key: str, value: Any) -> str:
    """That the model's file has a setting."""
    return f"{FILE} has {key} = {json.dumps(value, default=str)}"
