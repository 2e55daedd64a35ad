"""The parameters of the method, as validated plain data. This module imports no torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError


class ParameterError(ValueError):
    """A parameter of the method that does not exist, or whose value is not one that it takes.

    Attributes:
        name: of the parameter.
        problem: what follows the name in the message.
    """

    def __init__(self, name: str, problem: str):
        super().__init__(name, problem)
        self.name, self.problem = name, problem

    def __str__(self) -> str:
        return f"{self.name} {self.problem}"


def _plain(value: Any) -> Any:
    """A value of a scheduler's setting. Without this, pydantic would tell of each type it tried."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    if not is_number and not isinstance(value, str):
        raise PydanticCustomError("scheduler_value", SCHEDULER_VALUE)
    return value


SCHEDULER_VALUE = "a finite number, a text, true or false"
"""What a setting of diffusers' scheduler takes, in words."""

SchedulerValue = Annotated[bool | int | float | str, BeforeValidator(_plain)]
"""The type of that."""


class Settings(BaseModel):
    """Immutable settings; every field has a type, limits and a sentence.

    Raises:
        pydantic.ValidationError: an unknown field, a wrong type, or a value out of range. It is a
            `ValueError`.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
    )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated as a whole.

        Raises:
            pydantic.ValidationError: as the constructor.
        """
        # Only what was given: a default that follows from another field must follow the new one.
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**given, **changes})


class Method(Settings):
    """Every parameter of the method. What its parts gain on the embedded world: docs/results.md.

    Where MUSE (arXiv 2511.21051) publishes no value, the default is our choice.

    Raises:
        ParameterError: from the constructor and `replace`: an unknown parameter, a wrong type, or a
            value out of range. It is a `ValueError`.
    """

    steps: int = Field(20, ge=1, le=1000, description="Denoising steps.")
    sampler: Literal[
        "model",
        "ddim",
        "ddpm",
        "pndm",
        "euler",
        "euler_a",
        "heun",
        "dpm++",
        "sde-dpm++",
        "dpm++_singlestep",
        "unipc",
        "deis",
        "lms",
        "kdpm2",
        "kdpm2_a",
        "lcm",
        "tcd",
        "flow",
        "edm_euler",
        "edm_dpm++",
    ] = Field(
        "model",
        description="Sampler; `model` is the one that the model came with. Which of them fit a "
        "model depends on its training (docs/models.md).",
    )
    scheduler: Mapping[str, SchedulerValue] = Field(
        default_factory=dict,
        description="Settings of diffusers' scheduler that replace the model's own, by their names "
        "there, as `timestep_spacing`, `use_karras_sigmas`, `solver_order`, `shift`.",
    )
    eta: float = Field(
        0.0, ge=0, le=1, description="Noise that the samplers ddim and tcd add in each step."
    )
    guidance_scale: float = Field(
        4.0,
        ge=0,
        le=50,
        description="Classifier-free guidance when generating; up to 1 there is none.",
    )
    true_cfg_scale: float = Field(
        1.0,
        ge=0,
        le=50,
        description="Classifier-free guidance of models that are given `guidance_scale` as a "
        "number (FLUX, LCM), in rows with a negative prompt; up to 1 there is none.",
    )
    guidance_rescale: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How far guidance is rescaled to the contrast of the conditional output.",
    )
    tokens: int = Field(
        8,
        ge=1,
        le=16,
        description="Emotional tokens in a prompt; the members of a mixture share them by weight.",
    )
    initial_scale: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Where the tokens start: from nothing (0) to the words of the emotions (1).",
    )
    prompt_suffix: str = Field(
        ", evoking",
        description="Text between the prompt and the tokens; `{emotion}` is replaced by the "
        "target's name.",
    )
    long_prompts: Literal["truncate", "chunk"] = Field(
        "truncate",
        description="What becomes of a prompt that is longer than a CLIP text encoder reads: "
        "`truncate` cuts it, `chunk` reads it in windows of 75 tokens.",
    )
    max_updates_per_step: int = Field(
        3,
        ge=0,
        le=100,
        description="Maximum updates of the tokens in one denoising step, for each emotion of the "
        "target.",
    )
    updates: Literal["auto", "always"] = Field(
        "auto",
        description="Which tokens are updated for each image: `always` all; `auto` none that were "
        "fitted for the only emotion of the target and sufficed alone (`muse-batch tokens fit`).",
    )
    guidance_end: float = Field(
        0.7, ge=0, le=1, description="Share of the steps after which tokens are not updated."
    )
    learning_rate: float = Field(
        0.5,
        ge=0,
        le=10,
        description="Adam's learning rate, in units of a word embedding's root mean square.",
    )
    stop_confidence: float = Field(
        0.7,
        ge=0,
        le=1,
        description="The guide's confidence at which the tokens need no further update.",
    )
    warm_start: bool = Field(
        True,
        description="Carry tokens from step to step; otherwise each step begins with the words.",
    )
    timing: Literal["auto", "threshold", "fixed", "never"] = Field(
        "auto",
        description="When guidance starts. `threshold`: when the one-step image is as similar to "
        "the plain prompt as `timing_level`. `fixed`: after the share `timing_level` of the steps. "
        "`auto`: at the first step where the content term keeps the content, else as `threshold`. "
        "`never`: no guidance, plain sampling.",
    )
    timing_level: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="What `timing` says; as a similarity, 0 is what similarity.json beside the "
        "similarity model says, or 0.3.",
    )
    timing_latest: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Share of the steps after which a threshold starts guidance at the latest.",
    )
    inherent_weight: float = Field(
        0.5,
        ge=0,
        le=100,
        description="Weight of the loss against the emotion that the prompt has by itself.",
    )
    similar_weight: float = Field(
        0.25,
        ge=0,
        le=100,
        description="Weight of the loss against emotions that are similar to the target.",
    )
    balance: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Weight of how a mixture divides, against how much of the image is its "
        "members'; 1 is cross-entropy.",
    )
    content_weight: float = Field(
        5.0,
        ge=0,
        le=100,
        description="Weight of the loss for content that is lost; with 0 content is not looked at.",
    )
    content_similarity: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="Similarity of the one-step image and the plain prompt below which content "
        "counts as lost; 0 for what similarity.json beside the similarity model says, as the "
        "embedded one's does. Where nothing says so, content is not looked at.",
    )
    content_source_similarity: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="When editing, similarity of the one-step image and the source image below "
        "which content counts as lost, too; 0 as for `content_similarity`.",
    )
    edit_start: Literal["inversion", "noise"] = Field(
        "inversion",
        description="What an edit is denoised from: the DDIM `inversion` of its picture, or the "
        "picture with `noise` added (SDEdit), as diffusers' image-to-image pipelines do.",
    )
    strength: float = Field(
        0.95,
        ge=0,
        le=1,
        description="When editing, share of the steps that is denoised again, after an inversion "
        "of as many steps or with noise added.",
    )
    edit_guidance_scale: float = Field(
        3.0,
        ge=0,
        le=50,
        description="Classifier-free guidance when editing; up to 1 there is none.",
    )

    # A type checker knows the parameters from the fields.
    if not TYPE_CHECKING:

        def __init__(self, /, **parameters: Any) -> None:
            try:
                super().__init__(**parameters)
            except ValidationError as error:
                raise _parameter_error(error) from None

        # As part of other settings it is validated without this, and each of its errors is told.
        __init__.__pydantic_base_init__ = True

    def scale(self, editing: bool, from_zero: bool = False) -> float:
        """The scale of classifier-free guidance. As in diffusers, up to 1 there is none.

        Args:
            from_zero: whether the model's family counts it from 0, where others count from 1.
        """
        given = self.edit_guidance_scale if editing else self.guidance_scale
        return 1.0 + given if from_zero else max(1.0, given)

    @property
    def loss_weights(self) -> tuple[float, float, float]:
        """The weights of `muse.guidance.losses.multi_emotion_loss`, in its order."""
        return self.inherent_weight, self.similar_weight, self.balance


def _parameter_error(error: ValidationError) -> ParameterError:
    """The first of pydantic's errors in our words, with the name or the value nearest to it."""
    first = error.errors()[0]
    name, given = str(first["loc"][0]), first["input"]
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Method.model_fields, n=1)
        return ParameterError(name, f"is no parameter of the method{_suggestion(near)}")
    problem = f"is {given!r}; it should be {first['msg'].removeprefix('Input should be ')}"
    if first["type"] == "scheduler_value":
        problem += f" under {first['loc'][1]!r}"
    choices = get_args(Method.model_fields[name].annotation)
    if first["type"] == "literal_error" and isinstance(given, str):
        problem += _suggestion(difflib.get_close_matches(given, choices, n=1))
    return ParameterError(name, problem)


def _suggestion(near: list[str]) -> str:
    return f"; did you mean {near[0]!r}?" if near else ""
