"""Which values the settings of diffusers' schedulers take, whoever gives them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from math import inf
from typing import Any, get_args


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
            return kind if self.high == inf else f"{kind} up to {self.high:g}"
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
    # The logarithm of signal over noise at which a schedule begins, with more noise than signal.
    "lambda_min_clipped": Values(high=0, ends=True),
    "timestep_type": Values(choices=("discrete", "continuous")),
    "prediction_type": Values(choices=("epsilon", "v_prediction", "sample", "flow_prediction")),
    # The networks here predict no variance, and a schedule that runs backwards makes no image.
    "variance_type": Values(
        choices=("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log")
    ),
    "invert_sigmas": Values(choices=(False,)),
}
"""By the name of a setting. Of the others, the kind of the default decides, and diffusers."""

NEVER_OPTIONS = ("clip_sample", "thresholding")
"""Settings that belong to models of pixels, and distort latents: they are always off."""

NULL_IS_DEFAULT = ("variance_type",)
"""Settings that diffusers reads as their default where a file has null, though no class says so."""


def value_problem(name: str, key: str, value: Any, parameter: inspect.Parameter) -> str | None:
    """What a scheduler takes instead of a value, in words; None if it takes the value.

    Args:
        name: of the scheduler's class.
        key: of the setting.
        parameter: the one of the class that has the name `key`.
    """
    if problem := type_problem(name, key, value, parameter):
        return problem
    # UniPC alone has formulas of higher orders.
    is_unipc_order = (name, key) == ("UniPCMultistepScheduler", "solver_order")
    allowed = UNIPC_ORDER if is_unipc_order else VALUES.get(key)
    if value is None or allowed is None or allowed.include(value):
        return None
    return f"it takes {allowed}"


def type_problem(name: str, key: str, value: Any, parameter: inspect.Parameter) -> str | None:
    """As `value_problem`, of the value's type alone."""
    default = parameter.default
    if key == "trained_betas" and value is not None and not _are_numbers(value):
        return f"{name} takes a list of numbers"
    if default is None or (value is None and _may_be_null(key, parameter)):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = is_number if isinstance(default, float) else isinstance(value, type(default))
    # A truth value is an integer in Python.
    if fits and isinstance(value, bool) == isinstance(default, bool):
        return None
    return f"{name} takes {type(default).__name__}, as {default!r}"


def _are_numbers(value: Any) -> bool:
    """Whether it is a list of numbers."""
    return isinstance(value, list | tuple) and all(Values().include(item) for item in value)


def _may_be_null(key: str, parameter: inspect.Parameter) -> bool:
    """Whether null is as good as leaving a setting out: diffusers takes it for false."""
    says_so = type(None) in get_args(parameter.annotation)
    return says_so or isinstance(parameter.default, bool) or key in NULL_IS_DEFAULT


def defaults_of(name: str) -> dict[str, Any]:
    """The settings of a diffusers scheduler with their defaults; empty if diffusers has it not."""
    import diffusers

    kind = getattr(diffusers, name, None)
    parameters = inspect.signature(kind.__init__).parameters if kind else {}
    return {key: parameter.default for key, parameter in parameters.items()}
