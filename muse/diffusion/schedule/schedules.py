"""The schedule of a model: which sampler runs it, at which noise levels."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from muse.diffusion.schedule.flow_shift import (
    DYNAMIC,
    EULER,
    check_dynamic,
    flow_timesteps,
    is_dynamic,
    static_shift,
)
from muse.diffusion.schedule.own_scheduler import check_own, source_of
from muse.diffusion.schedule.sampler import Sampler, Schedule, ddim, dpmpp_2m
from muse.diffusion.schedule.scheduler_options import (
    ZERO_SNR,
    check_options,
    refuse_lengths,
    refuse_pure_noise,
    refuse_variants,
)
from muse.diffusion.schedule.schedulers import MODEL, choose_scheduler, second_stages, training_of
from muse.diffusion.schedule.setting_values import NEVER_OPTIONS
from muse.method import Method

if TYPE_CHECKING:
    from muse.diffusion.backbones.base import Backbone

KEEP_Z = (
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
)
"""Schedulers with sigma / alpha as their levels, and latents as they are denoised here."""

ROUNDING = 1e-5
"""By which part of itself a noise level may rise: diffusers computes them in float32."""


def make_schedule(
    config: Mapping[str, Any],
    steps: int,
    sampler: str = MODEL,
    options: Mapping[str, Any] | None = None,
    eta: float = 0.0,
    patches: int | None = None,
    even_sigmas: bool = False,
) -> Schedule:
    """The schedule of `steps` steps for a model.

    Heun's method evaluates the network twice a step, and PNDM twice in its first: such a schedule
    has an entry for each evaluation.

    Args:
        config: of the diffusers scheduler that the model came with, with its `_class_name`.
        steps: at least 1.
        sampler: a name in `muse.diffusion.schedule.schedulers.SAMPLERS`, or `model` for the one
            that the model came with.
        options: settings of the diffusers scheduler that replace those of `config`.
        eta: noise that DDIM and TCD add in a step, in [0, 1].
        patches, even_sigmas: of models for flow matching; see `muse.diffusion.schedule.flow_shift`.

    Raises:
        ValueError: if the sampler is unknown or does not fit the model's training, or an option is
            not one of the scheduler; the message names those that are.
    """
    name, fixed = choose_scheduler(config, sampler)
    options = options or {}
    # Of schedulers for flow matching only one knows a shift by the size of the image. To the others
    # it is given as the fixed one that it is for an image of this size.
    if training_of(config) == "flow" and is_dynamic(config, options):
        check_dynamic(config, options)
        if name != EULER:
            shift = static_shift(config, patches)
            own = name.startswith("FlowMatch")
            static = {"shift": shift} if own else {DYNAMIC: False, "flow_shift": shift}
            fixed = {**fixed, **static}
    scheduler = _scheduler(name, config, fixed, options)
    training = training_of({**scheduler.config, "_class_name": name})
    known = int(scheduler.config.num_train_timesteps)
    if training == "diffusion" and steps > known:
        raise ValueError(
            f"method.steps is {steps}, but the model has {known} noise levels "
            "(num_train_timesteps); take fewer steps"
        )
    refuse_lengths(scheduler, name, steps, known)
    more = flow_timesteps(scheduler, name, steps, patches, even_sigmas)
    try:
        scheduler.set_timesteps(steps, **more)
    except Exception as error:  # diffusers raises whatever its arithmetic does
        raise ValueError(
            f"{name} cannot make {steps} steps: {error} (its settings are those of "
            f"{source_of(options)})"
        ) from None
    if training == "diffusion":
        _refuse_timesteps(scheduler, name, steps, known)
    alphas, sigmas, scales = _levels(scheduler, name, training)
    refuse_pure_noise(scheduler, name, float(alphas[0]), config, options)
    _refuse_levels(scheduler, name, steps, alphas, sigmas, options)
    step = _own_step(scheduler, name, eta)
    noise_scale = float(getattr(scheduler, "init_noise_sigma", 1.0) / scales[0])
    return Schedule(
        scheduler.timesteps.clone(),
        alphas,
        sigmas,
        _prediction(scheduler, training),
        step or ddim,
        scheduler=None if step else scheduler,
        scales=scales,
        noise_scale=1.0 if abs(noise_scale - 1.0) < 1e-6 else noise_scale,
        eta=eta,
        corrections=second_stages(name, len(scheduler.timesteps)),
    )


def schedule_of(config: Mapping[str, Any], method: Method, **flow: Any) -> Schedule:
    """The schedule of a method for a model; see `make_schedule`."""
    return make_schedule(config, method.steps, method.sampler, method.scheduler, method.eta, **flow)


def backbone_schedule(
    backbone: Backbone, method: Method, cells: tuple[int, int] | None = None
) -> Schedule:
    """The schedule of a method for a loaded model.

    Args:
        cells: height and width of the latents; by default those of the model's own size.

    Raises:
        ValueError: as `make_schedule`.
    """
    height, width = cells or backbone.latent_shape[1:]
    patches = (height // 2) * (width // 2)
    return schedule_of(
        backbone.scheduler_config, method, patches=patches, even_sigmas=backbone.even_sigmas
    )


def latent_scale(config: Mapping[str, Any]) -> float:
    """The latents of a VAE over those that a model denoises, by its scheduler's config.

    It is 1, or for EDM the standard deviation of the data, of which our latents are in units.
    """
    return float(config.get("sigma_data", 0.5)) if training_of(config) == "edm" else 1.0


def _scheduler(
    name: str, config: Mapping[str, Any], fixed: Mapping[str, Any], options: Mapping[str, Any]
) -> Any:
    """The diffusers scheduler of a class, without its timesteps."""
    import diffusers

    kind = getattr(diffusers, name)
    check_options(name, kind, config, options)
    given = {**fixed, **options, **dict.fromkeys(NEVER_OPTIONS, False)}
    check_own(name, kind, config, given)
    if config.get(ZERO_SNR) and ZERO_SNR not in inspect.signature(kind.__init__).parameters:
        raise ValueError(
            f"{name} cannot begin at pure noise, as the model was trained to ({ZERO_SNR}); "
            "choose another method.sampler, as ddim or euler"
        )
    try:
        # Not merged into the config, of which diffusers drops what it notes as mere defaults.
        scheduler = kind.from_config(dict(config), **given)
    except Exception as error:  # diffusers raises whatever its arithmetic does
        raise ValueError(
            f"{source_of(options)}: {name} does not take these settings: {error}"
        ) from None
    refuse_variants(scheduler, name)
    return scheduler


def _refuse_timesteps(scheduler: Any, name: str, steps: int, known: int) -> None:
    """Refuse timesteps beyond the `known` ones of the model's training."""
    first = float(scheduler.timesteps[0])
    # Schedulers that interpolate between levels have one more timestep, at the level of the last.
    if first >= known + (not _is_discrete(scheduler)):
        raise ValueError(
            f"{name} with {steps} step(s) begins at timestep {first:g}, beyond the model's last, "
            f"{known - 1}; take fewer steps, or set method.scheduler.steps_offset = 0"
        )


def _refuse_levels(
    scheduler: Any,
    name: str,
    steps: int,
    alphas: Tensor,
    sigmas: Tensor,
    options: Mapping[str, Any],
) -> None:
    """Refuse noise levels that are no numbers, do not fall, or do not begin at noise."""
    ratios = sigmas / alphas
    numbers = torch.isfinite(alphas).all() and torch.isfinite(sigmas).all()
    if not numbers or not (ratios[1:] <= ratios[:-1] * (1 + ROUNDING)).all():
        remedy = "leave out" if options else "correct, or replace by method.scheduler,"
        raise ValueError(
            f"{name} with the settings in {source_of(options)} has noise levels that do not fall "
            f"from noise to a clean image; {remedy} the setting that does it"
        )
    if float(alphas[0]) <= float(sigmas[0]):
        return
    # Steps that are more than the noise levels between them all fall on the first.
    crowded = len(scheduler.timesteps) > 1 and scheduler.timesteps[0] == scheduler.timesteps[-1]
    raise ValueError(
        f"{name} with {steps} step(s) does not begin at noise, but at timestep "
        f"{float(scheduler.timesteps[0]):g}; take {'fewer' if crowded else 'more'} steps, or set "
        'method.scheduler.timestep_spacing = "trailing"'
    )


def _own_step(scheduler: Any, name: str, eta: float) -> Sampler | None:
    """The step of this module that equals the scheduler's; None if there is none."""
    config = scheduler.config
    if name == "DDIMScheduler":
        # Its own timesteps need not be as far apart as its steps are; with this spacing never.
        steps_beside = config.timestep_spacing == "linspace"
        return ddim if eta == 0.0 and not steps_beside else None
    if name in ("EulerDiscreteScheduler", "EDMEulerScheduler"):
        return ddim
    if name == "FlowMatchEulerDiscreteScheduler":
        return None if config.stochastic_sampling else ddim
    if name in ("DPMSolverMultistepScheduler", "EDMDPMSolverMultistepScheduler"):
        kind = (config.algorithm_type, config.solver_order, config.solver_type)
        ends_clean = config.final_sigmas_type == "zero"
        return dpmpp_2m if kind == ("dpmsolver++", 2, "midpoint") and ends_clean else None
    return None


def _prediction(scheduler: Any, training: str) -> str:
    """What the network's output means; see `Schedule.prediction`."""
    if training == "flow":
        return "flow_prediction"
    prediction = str(scheduler.config.prediction_type)
    return "edm_prediction" if (training, prediction) == ("edm", "epsilon") else prediction


def _is_discrete(scheduler: Any) -> bool:
    """Whether its noise levels are those of whole timesteps."""
    return hasattr(scheduler, "alphas_cumprod") and not hasattr(scheduler, "sigmas")


def _levels(scheduler: Any, name: str, training: str) -> tuple[Tensor, Tensor, Tensor]:
    """(alphas, sigmas, scales), float64 (n + 1,), of a scheduler whose timesteps are set."""
    if _is_discrete(scheduler):
        signal = scheduler.alphas_cumprod.double()[scheduler.timesteps.long()]
        power = torch.cat([signal, _final_power(scheduler, name).double().view(1)])
        return power.sqrt(), (1 - power).sqrt(), torch.ones_like(power)
    sigmas = scheduler.sigmas.double().cpu()[: len(scheduler.timesteps) + 1]
    if name == "KDPM2DiscreteScheduler":
        # Its second stages are halfway between the levels of the steps.
        sigmas[1::2] = scheduler.sigmas_interpol.double().cpu()[1 : len(sigmas) : 2]
    if training == "flow":
        return 1 - sigmas, sigmas, torch.ones_like(sigmas)
    if training == "edm":
        # The network is given x / sqrt(sigma^2 + data^2), which is z; x0 is in units of `data`.
        data = float(scheduler.config.sigma_data)
        scales = (data**2 + sigmas.square()).sqrt()
        return _unscaled_end(data / scales, sigmas / scales, scales)
    # These are sigma / alpha, as in k-diffusion; alpha^2 + sigma^2 = 1 then gives alpha.
    alphas = (1 + sigmas.square()).rsqrt()
    if name in KEEP_Z:
        return alphas, sigmas * alphas, torch.ones_like(alphas)
    return _unscaled_end(alphas, sigmas * alphas, 1 / alphas)


def _unscaled_end(alphas: Tensor, sigmas: Tensor, scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same, but that the last latents are x0 + noise, as the scheduler leaves them.

    It makes a difference where the last step leaves noise (`final_sigmas_type = "sigma_min"`).
    """
    factor = torch.ones_like(alphas)
    factor[-1] = alphas[-1]
    return alphas / factor, sigmas / factor, scales * factor


def _final_power(scheduler: Any, name: str) -> Tensor:
    """The signal's power alpha^2 at the end."""
    if name == "TCDScheduler":
        return scheduler.alphas_cumprod[0]
    if name in ("DDPMScheduler", "LCMScheduler"):
        return torch.tensor(1.0)
    return scheduler.final_alpha_cumprod
