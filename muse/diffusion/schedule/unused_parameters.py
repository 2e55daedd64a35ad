"""Parameters of the method that were given and have no effect on a model, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from muse.diffusion.schedule.schedulers import choose_scheduler, training_of
from muse.diffusion.schedule.setting_values import NEVER_OPTIONS, defaults_of
from muse.method import Method

READ_ETA = {"DDIMScheduler": "ddim", "TCDScheduler": "tcd"}
"""Schedulers whose noise `method.eta` sets, with their names as samplers."""

GIVEN_GUIDANCE = ("FluxPipeline",)
"""Families whose networks are given the scale of guidance if they read one, and run once a step."""

FROM_ZERO = ("ZImagePipeline",)
"""Families that count the scale of guidance from 0."""


def unused_parameters(
    method: Method, family: str, network: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence for each of them.

    Args:
        family: the class of the model's pipeline.
        network, scheduler: the configurations of the model's network and scheduler.
    """
    yield from _switched_off(method, family, scheduler)
    if method.scheduler:
        # It imports torch, which the command does not need to start.
        from muse.diffusion.schedule.unused_options import unused_options

        yield from unused_options(method, scheduler)
    yield from _of_eta(method, scheduler)
    if reads_no_guidance(family, network) and "guidance_scale" in method.model_fields_set:
        yield "method.guidance_scale: no effect, because this model's network does not read one"
    is_given = embeds_guidance(family, network)
    if method.true_cfg_scale > 1 and not is_given:
        yield (
            "method.true_cfg_scale: no effect, because this model is guided by "
            "method.guidance_scale and method.edit_guidance_scale"
        )
    if method.guidance_rescale == 0:
        return
    if is_given:
        if method.true_cfg_scale <= 1:
            yield (
                "method.guidance_rescale: no effect, because this model has classifier-free "
                "guidance only with method.true_cfg_scale above 1"
            )
        return
    yield from _of_rescale(method, from_zero=family in FROM_ZERO)


def reads_no_guidance(family: str, network: Mapping[str, Any]) -> bool:
    """Whether the network of a family that is given the scale of guidance ignores it."""
    return family in GIVEN_GUIDANCE and network.get("guidance_embeds") is False


def embeds_guidance(family: str, network: Mapping[str, Any]) -> bool:
    """Whether the network of a model is given the scale of guidance as a number.

    Args:
        family, network: as for `unused_parameters`.
    """
    return family in GIVEN_GUIDANCE or network.get("time_cond_proj_dim") is not None


def _switched_off(method: Method, family: str, scheduler: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each setting of the model's own scheduler that distorts latents."""
    own = str(scheduler.get("_class_name", ""))
    used = defaults_of(choose_scheduler(scheduler, method.sampler)[0])
    for key in NEVER_OPTIONS:
        # diffusers' pipeline of Stable Diffusion 1 and 2 switches that off as well.
        is_theirs_too = (family, key) == ("StableDiffusionPipeline", "clip_sample")
        if key in used and scheduler.get(key, defaults_of(own).get(key)) and not is_theirs_too:
            yield (
                f"{key} of the model's scheduler ({own}) is switched off here, because it is made "
                "for pixels and distorts latents; images differ from those of diffusers, which "
                f"leaves it on. Set {key} = false in the model's scheduler_config.json"
            )


def _of_eta(method: Method, scheduler: Mapping[str, Any]) -> Iterator[str]:
    """A sentence if `eta` is given to a sampler that has none."""
    if method.eta == 0:
        return
    used = choose_scheduler(scheduler, method.sampler)[0]
    if used in READ_ETA:
        return
    remedy = ""
    if training_of(scheduler) == "diffusion":
        remedy = f"; choose method.sampler = {' or '.join(READ_ETA.values())}, or leave it out"
    yield f"method.eta: no effect with {used}{remedy}"


def _of_rescale(method: Method, from_zero: bool) -> Iterator[str]:
    """A sentence if there is no guidance that could be rescaled."""
    without = []
    for key, editing in (("guidance_scale", False), ("edit_guidance_scale", True)):
        if method.scale(editing, from_zero) == 1:
            without.append((key, "edits" if editing else "images without a source"))
    names = " and ".join(f"method.{key} = {getattr(method, key):g}" for key, _ in without)
    if without:
        where = "" if len(without) == 2 else f" on {without[0][1]}"
        verb = "are" if len(without) == 2 else "is"
        yield f"method.guidance_rescale: no effect{where}, because {names} {verb} no guidance"
