"""Which settings of diffusers' schedulers may be replaced, by which values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, get_args

from muse.diffusion.schedule.schedulers import TRAINED_FOR, training_of

NEVER_OPTIONS = ("clip_sample", "thresholding")
"""Settings that belong to models of pixels, and distort latents."""

WITHOUT_EFFECT = ("dynamic_thresholding_ratio", "sample_max_value", "clip_sample_range")
"""Settings that act with those alone."""

NO_PLAIN_VALUES = ("solver_p", "trained_betas", "disable_corrector")
"""Settings whose values are lists or objects."""


@dataclass(frozen=True)
class Values:
    """What a setting takes.

    Attributes:
        low, high: limits of a number.
        ends: whether the limits themselves are allowed.
        whole: whether it has to be an integer.
        choices: instead of a number: these values.
    """

    low: float = -inf
    high: float = inf
    ends: bool = False
    whole: bool = False
    choices: tuple[str | bool, ...] = ()

    def include(self, value: Any) -> bool:
        """Whether `value` is one of them."""
        if self.choices:
            # True equals 1, which is no choice.
            return any(type(value) is type(choice) and value == choice for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.low <= value <= self.high if self.ends else self.low < value < self.high

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(str(choice) for choice in self.choices)
        kind = "an integer" if self.whole else "a number"
        if self.low == -inf:
            return kind
        if self.high == inf:
            return f"{kind} above {self.low:g}"
        word = "from {} to {}" if self.ends else "above {} and below {}"
        return f"{kind} {word.format(f'{self.low:g}', f'{self.high:g}')}"


POSITIVE, SHARE = Values(low=0), Values(low=0, high=1)
COUNT = Values(low=1, high=100_000, ends=True, whole=True)
UNIPC_ORDER = Values(low=1, high=20, ends=True, whole=True)
"""The factorials of higher orders fit into no integer of 64 bits, and diffusers fails."""

VALUES = {
    "num_train_timesteps": COUNT,
    "original_inference_steps": COUNT,
    "base_image_seq_len": COUNT,
    "max_image_seq_len": COUNT,
    "steps_offset": Values(low=0, high=1000, ends=True, whole=True),
    "solver_order": Values(low=1, high=3, ends=True, whole=True),
    "beta_start": SHARE,
    "beta_end": SHARE,
    "shift_terminal": SHARE,
    "sigma_min": POSITIVE,
    "sigma_max": POSITIVE,
    "sigma_data": POSITIVE,
    "rho": POSITIVE,
    "shift": POSITIVE,
    "flow_shift": POSITIVE,
    "timestep_scaling": POSITIVE,
    "base_shift": Values(),
    "max_shift": Values(),
    "lambda_min_clipped": Values(),
    "timestep_type": Values(choices=("discrete", "continuous")),
    "prediction_type": Values(choices=("epsilon", "v_prediction", "sample", "flow_prediction")),
    # The networks here predict no variance, and a schedule that runs backwards makes no image.
    "variance_type": Values(
        choices=("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log")
    ),
    "invert_sigmas": Values(choices=(False,)),
}
"""By the name of a setting. Of the others, the kind of the default decides, and diffusers."""

SILENTLY_REPLACED = ("solver_type", "algorithm_type")
"""Settings of several schedulers; diffusers replaces values of another one without a word."""

OF_FLOW = ("use_dynamic_shifting", "flow_shift", "time_shift_type", "shift_terminal")
"""Settings of the shift of flow matching, which noise levels of another training do not have."""

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
        _check_value(name, key, value, parameters[key].default)
        choices = get_args(parameters[key].annotation) if key in SILENTLY_REPLACED else ()
        if choices and value not in choices:
            raise ValueError(
                f"method.scheduler.{key} is {value!r}; {name} takes {', '.join(choices)}"
            )
        _check_training(key, value, training_of(config))


def _check_value(name: str, key: str, value: Any, default: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = is_number if isinstance(default, float) else isinstance(value, type(default))
    if default is not None and not fits:
        raise ValueError(
            f"method.scheduler.{key} is {value!r}; {name} takes {type(default).__name__}, "
            f"as {default!r}"
        )
    # UniPC alone has formulas of higher orders.
    is_unipc_order = (name, key) == ("UniPCMultistepScheduler", "solver_order")
    allowed = UNIPC_ORDER if is_unipc_order else VALUES.get(key)
    if allowed is not None and not allowed.include(value):
        raise ValueError(f"method.scheduler.{key} is {value!r}; it takes {allowed}")


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
