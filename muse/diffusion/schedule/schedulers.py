"""Which of diffusers' schedulers can run a model, under which name. Nothing is loaded here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODEL = "model"
"""The sampler that a model came with."""

SAMPLERS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "diffusion": {
        "ddim": ("DDIMScheduler", {}),
        "ddpm": ("DDPMScheduler", {}),
        "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
        "euler": ("EulerDiscreteScheduler", {}),
        "euler_a": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "sde-dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        "dpm++_singlestep": (
            "DPMSolverSinglestepScheduler",
            {"algorithm_type": "dpmsolver++", "lower_order_final": True},
        ),
        "unipc": ("UniPCMultistepScheduler", {}),
        "deis": ("DEISMultistepScheduler", {}),
        "lms": ("LMSDiscreteScheduler", {}),
        "kdpm2": ("KDPM2DiscreteScheduler", {}),
        "kdpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
        "lcm": ("LCMScheduler", {}),
        "tcd": ("TCDScheduler", {}),
    },
    "flow": {
        "flow": ("FlowMatchEulerDiscreteScheduler", {}),
        "heun": ("FlowMatchHeunDiscreteScheduler", {}),
        "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "unipc": ("UniPCMultistepScheduler", {}),
    },
    "edm": {
        "edm_euler": ("EDMEulerScheduler", {}),
        "edm_dpm++": ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    },
}
"""By what a model was trained for, then by name: the scheduler, and the settings it fixes."""

TRAINED_FOR = {
    "diffusion": "a diffusion process with discrete noise levels",
    "flow": "flow matching",
    "edm": "EDM's noise levels",
}
"""The first keys of `SAMPLERS` in words."""

SECOND_STAGES = (
    "HeunDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
)
"""Schedulers that take every step but the last in two stages."""


def training_of(config: Mapping[str, Any]) -> str:
    """What a model was trained for, by its scheduler's settings: a key of `SAMPLERS`."""
    own = str(config.get("_class_name", ""))
    has_flow = config.get("use_flow_sigmas") or config.get("prediction_type") == "flow_prediction"
    if own.startswith("FlowMatch") or has_flow:
        return "flow"
    return "edm" if own.startswith("EDM") or "sigma_data" in config else "diffusion"


def choose_scheduler(config: Mapping[str, Any], sampler: str) -> tuple[str, dict[str, Any]]:
    """The diffusers class that runs a model, and the settings that replace those of its config.

    Args:
        config: of the scheduler that the model came with, with its `_class_name`.
        sampler: a name in `SAMPLERS`, or `model`.

    Raises:
        ValueError: the model's own scheduler cannot be used, or the named one does not fit its
            training; the message names those that do.
    """
    training = training_of(config)
    known, own = SAMPLERS[training], str(config.get("_class_name", "DDIMScheduler"))
    names = ", ".join(known)
    if sampler == MODEL:
        if all(own != scheduler for scheduler, _ in known.values()):
            raise ValueError(
                f"the model's scheduler {own} cannot be used; "
                f"choose another with method.sampler: {names}"
            )
        return own, {}
    if sampler not in known:
        raise ValueError(
            f"sampler {sampler!r} cannot run a model that was trained for {TRAINED_FOR[training]} "
            f"(its scheduler is {own}); choose {MODEL}, {names}"
        )
    scheduler, fixed = known[sampler]
    # The shift of flow matching has another name in the schedulers of both kinds of models.
    if training == "flow":
        shift = config.get("shift", config.get("flow_shift", 1.0))
        if scheduler.startswith("FlowMatch"):
            return scheduler, {**fixed, "shift": shift}
        flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
        return scheduler, {**fixed, **flow, "flow_shift": shift}
    return scheduler, dict(fixed)


def second_stages(scheduler: str, evaluations: int) -> range:
    """Evaluations of the network that only correct the one before; no row may begin at them."""
    if scheduler in SECOND_STAGES:
        return range(1, evaluations, 2)
    return range(1, 2 if scheduler == "PNDMScheduler" else 1)
