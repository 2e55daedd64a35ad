"""Which settings of diffusers' schedulers a method may replace, and which contradict each other."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_args

from muse.diffusion.schedule.own_scheduler import FILE
from muse.diffusion.schedule.schedulers import TRAINED_FOR, training_of
from muse.diffusion.schedule.setting_values import NEVER_OPTIONS, value_problem

WITHOUT_EFFECT = ("dynamic_thresholding_ratio", "sample_max_value", "clip_sample_range")
"""Settings that act with those alone."""

NO_PLAIN_VALUES = ("solver_p", "trained_betas", "disable_corrector")
"""Settings whose values are lists or objects."""


SILENTLY_REPLACED = ("solver_type", "algorithm_type")
"""Settings of several schedulers; diffusers replaces values of another one without a word."""

OF_FLOW = ("use_dynamic_shifting", "flow_shift", "time_shift_type", "shift_terminal")
"""Settings of the shift of flow matching, which noise levels of another training do not have."""

ZERO_SNR = "rescale_betas_zero_snr"
"""The setting of models whose first noise level has no signal left."""

NO_SIGNAL = 1e-3
"""Alpha up to which noise counts as pure; that of diffusers' own is 2.4e-4 at most."""

DISTILLED = ("LCMScheduler", "TCDScheduler")
"""Schedulers that take their steps out of those that a model was distilled with."""

NO_SAMPLE = (
    "PNDMScheduler",
    "EulerAncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
)
"""Schedulers that cannot run a network that predicts the image itself."""


def check_options(
    name: str, kind: type, config: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Refuse settings that a scheduler does not have, cannot take, or that deny a model's training.

    Args:
        name: of the diffusers class `kind`.
        config: of the scheduler that the model came with, with its `_class_name`.
        options: that replace settings of `config`.

    Raises:
        ValueError: with the name, the value and what is allowed.
    """
    parameters = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    hidden = ("self", *NEVER_OPTIONS, *WITHOUT_EFFECT, *NO_PLAIN_VALUES)
    known = [key for key in parameters if key not in hidden]
    for key, value in options.items():
        if key not in known:
            raise ValueError(
                f"method.scheduler has {key!r}, which is no setting of {name}; "
                f"choose {', '.join(known)}"
            )
        if problem := value_problem(name, key, value, parameters[key]):
            raise ValueError(f"method.scheduler.{key} is {value!r}; {problem}")
        choices = get_args(parameters[key].annotation) if key in SILENTLY_REPLACED else ()
        if choices and value not in choices:
            raise ValueError(
                f"method.scheduler.{key} is {value!r}; {name} takes {', '.join(choices)}"
            )
        _check_training(key, value, training_of(config))


def _check_training(key: str, value: Any, training: str) -> None:
    """Refuse a setting by which the model would be taken for one of another training."""
    is_flow = training == "flow"
    # False says what is so.
    if key in OF_FLOW and not is_flow and value is not False:
        raise ValueError(
            f"method.scheduler.{key} is {value!r}, but the model was trained for "
            f"{TRAINED_FOR[training]}, which are not shifted; leave it out"
        )
    says_flow = {"use_flow_sigmas": value is True, "prediction_type": value == "flow_prediction"}
    if says_flow.get(key, is_flow) != is_flow:
        raise ValueError(
            f"method.scheduler.{key} is {value!r}, but the model was trained for "
            f"{TRAINED_FOR[training]}, which no setting changes; leave it out"
        )


def check_prediction(config: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse another `prediction_type` than the one in the folder of a model.

    Args:
        config: of the scheduler, as it was read from the model's folder. Of a single file nothing
            is known, and nothing refused.
        options: that replace settings of `config`.

    Raises:
        ValueError: with the model's own.
    """
    own = config.get("prediction_type")
    given = options.get("prediction_type", own)
    if own is not None and given != own:
        raise ValueError(
            f"method.scheduler.prediction_type is {given!r}, but the model's is {own!r}; leave it "
            "out, or if its scheduler_config.json is wrong, correct that"
        )


def refuse_variants(scheduler: Any, name: str) -> None:
    """Refuse settings of a diffusers scheduler of the class `name` that a schedule cannot have.

    Raises:
        ValueError: with the remedy.
    """
    config = scheduler.config
    if name == "PNDMScheduler" and not config.skip_prk_steps:
        raise ValueError(
            "PNDM with Runge-Kutta steps cannot be used; set method.scheduler.skip_prk_steps = "
            "true, as Stable Diffusion does, or choose method.sampler"
        )
    if name in NO_SAMPLE and config.prediction_type == "sample":
        raise ValueError(
            f"{name} cannot run a network that predicts the image itself (prediction_type = "
            '"sample"); choose another method.sampler, as ddim or euler'
        )
    has_flow_levels = config.get("use_flow_sigmas")
    predicts_flow = config.get("prediction_type") == "flow_prediction"
    if has_flow_levels is not None and has_flow_levels != predicts_flow:
        raise ValueError(
            f"{name} has use_flow_sigmas = {str(has_flow_levels).lower()} with prediction_type = "
            f'"{config.prediction_type}"; the noise levels of flow matching and "flow_prediction" '
            "belong together: correct the model's scheduler_config.json"
        )
    # Its last step to no noise at all is infinite times zero.
    is_unipc, ends_clean = (
        name == "UniPCMultistepScheduler",
        config.get("final_sigmas_type") == "zero",
    )
    if is_unipc and config.solver_type == "bh1" and ends_clean:
        raise ValueError(
            'UniPC with solver_type "bh1" cannot take the last step to a clean image; set '
            'method.scheduler.solver_type = "bh2", or final_sigmas_type = "sigma_min"'
        )
    if is_unipc and config.solver_order > 1 and ends_clean and not config.lower_order_final:
        raise ValueError(
            "UniPC with lower_order_final = false cannot take the last step to a clean image; set "
            'method.scheduler.lower_order_final = true, or final_sigmas_type = "sigma_min"'
        )
    if is_unipc and not config.predict_x0 and ends_clean:
        raise ValueError(
            "UniPC with predict_x0 = false cannot take the last step to a clean image; set "
            'method.scheduler.predict_x0 = true, or final_sigmas_type = "sigma_min"'
        )


def refuse_lengths(scheduler: Any, name: str, steps: int, known: int) -> None:
    """Refuse lists of noise levels that are shorter than the timesteps taken from them.

    Args:
        scheduler: of the diffusers class `name`.
        known: noise levels of the model's training.

    Raises:
        ValueError: with the remedy.
    """
    levels = len(getattr(scheduler, "alphas_cumprod", range(known)))
    if levels < known:
        raise ValueError(
            f"{FILE} has trained_betas of {levels} noise levels, but {known} timesteps "
            "(num_train_timesteps); correct the file"
        )
    # diffusers keeps settings of other classes in a config as well.
    original = scheduler.config.original_inference_steps if name in DISTILLED else steps
    if steps > original:
        raise ValueError(
            f"{name} cannot make {steps} steps: it takes them out of original_inference_steps = "
            f"{original}; set method.steps = {original} or fewer, or "
            f"method.scheduler.original_inference_steps = {steps}"
        )


def refuse_pure_noise(
    scheduler: Any, name: str, signal: float, config: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Refuse to begin at pure noise with a network that predicts noise.

    Args:
        scheduler: of the diffusers class `name`.
        signal: alpha at its first step.
        config: of the scheduler that the model came with.
        options: that replace settings of `config`.

    Raises:
        ValueError: with the remedy.
    """
    predicts_noise = scheduler.config.get("prediction_type") == "epsilon"
    if not (scheduler.config.get(ZERO_SNR) and predicts_noise and signal < NO_SIGNAL):
        return
    remedy = (
        f"set method.scheduler.{ZERO_SNR} = false, or correct the model's scheduler_config.json "
        "where it is wrong"
    )
    if ZERO_SNR in options:
        remedy = f"leave out method.scheduler.{ZERO_SNR}"
        # Of a single file the prediction is not known, and may be given.
        if config.get("prediction_type") is None:
            remedy += (
                ", or if the model predicts the velocity, set method.scheduler.prediction_type = "
                '"v_prediction"'
            )
    raise ValueError(
        f'{name} begins at pure noise ({ZERO_SNR} = true), where prediction_type = "epsilon" '
        f"tells nothing of the image; {remedy}"
    )
