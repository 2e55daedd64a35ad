"""Models that were distilled to few steps and little guidance, recognised without loading them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muse.method import Method

MAX_STEPS, MAX_GUIDANCE = 12, 2.0
"""Beyond these a distilled model is asked for what it was not trained for."""

KINDS = {
    "lcm": (4, 'method.sampler = "lcm"'),
    "dmd2": (4, 'method.sampler = "lcm"'),
    "tcd": (4, 'method.sampler = "tcd"'),
    "turbo": (4, ""),
    "schnell": (4, ""),
    "lightning": (4, 'method.scheduler = {timestep_spacing = "trailing"}'),
    "hyper": (8, 'method.scheduler = {timestep_spacing = "trailing"}'),
}
"""By what names say: the usual number of steps, and the setting for a LoRA of that kind."""

SCHEDULERS = {"LCMScheduler": "lcm", "TCDScheduler": "tcd"}

STEPS = re.compile(r"(\d{1,2})[-_ ]?steps?(?![a-z])")
"""The number of steps in a name, as in `sdxl_lightning_4step`."""


@dataclass(frozen=True)
class Distillation:
    """What a model was distilled to.

    Attributes:
        because: how it was recognised, in words.
        steps: that it is usually asked for.
        setting: that it needs besides, as the settings are written; "" if it brings that.
        embeds_guidance: the scale of guidance may be above 1, because the network is given it, or
            because it has no effect.
    """

    because: str
    steps: int
    setting: str = ""
    embeds_guidance: bool = False


def distillation_of(
    name: str, network: Mapping[str, Any], scheduler: Mapping[str, Any], loras: Sequence[str] = ()
) -> Distillation | None:
    """What a model was distilled to, by its configurations and the names of its files.

    Args:
        name: of the model, as the user gave it.
        network, scheduler: their configurations; empty if they are not known.
        loras: the names of its LoRAs.
    """
    own = str(scheduler.get("_class_name", ""))
    if network.get("time_cond_proj_dim") is not None:
        return Distillation("its network is given the guidance scale", 4, embeds_guidance=True)
    if own in SCHEDULERS:
        return Distillation(f"its scheduler is {own}", KINDS[SCHEDULERS[own]][0])
    for lora in loras:
        if kind := _kind_in(lora):
            steps, setting = KINDS[kind]
            because = f"the name of the LoRA {_last(lora)} says {kind}"
            return Distillation(because, _steps_in(lora) or steps, setting)
    if kind := _kind_in(name):
        # FLUX.1 schnell reads no scale of guidance.
        is_free = network.get("guidance_embeds") is False
        steps = _steps_in(name) or KINDS[kind][0]
        return Distillation(f"its name says {kind}", steps, embeds_guidance=is_free)
    # Models that begin at pure noise have that spacing, too, and take all their steps.
    is_full = scheduler.get("rescale_betas_zero_snr") or not own.startswith("Euler")
    if scheduler.get("timestep_spacing") == "trailing" and not is_full:
        return Distillation("its scheduler has trailing timesteps", 4)
    return None


def distilled_warnings(
    name: str,
    method: Method,
    network: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    loras: Sequence[str] = (),
) -> Iterator[str]:
    """A warning if a distilled model is asked for many steps or much guidance; see
    `distillation_of`."""
    found = distillation_of(name, network, scheduler, loras)
    if found is None:
        return
    asked, wanted = [], []
    if method.steps > MAX_STEPS:
        asked.append(f"method.steps = {method.steps}")
        wanted.append(f"method.steps = {found.steps}")
    for key in ("guidance_scale", "edit_guidance_scale"):
        scale = getattr(method, key)
        if scale > MAX_GUIDANCE and not found.embeds_guidance:
            asked.append(f"method.{key} = {scale:g}")
            wanted.append(f"method.{key} = 1")
    if not asked:
        return
    sets = method.sampler != "model" or bool(method.scheduler)
    settings = wanted if sets or not found.setting else [*wanted, found.setting]
    yield (
        f"{_last(name)} was distilled to few steps and little guidance ({found.because}), but has "
        f"{', '.join(asked)}, which wastes time and spoils images; set {', '.join(settings)}, or "
        "what its authors say"
    )


def _kind_in(name: str) -> str | None:
    """The kind of distillation that a path, a hub id or a file's name says."""
    words = re.findall(r"[a-z]+\d?", _last(name).lower())
    return next((kind for kind in KINDS if kind in words), None)


def _steps_in(name: str) -> int | None:
    match = STEPS.search(_last(name).lower())
    return int(match[1]) if match else None


def _last(name: str) -> str:
    """The last part of a path or a hub id."""
    return Path(name).name
