"""A rival without training or gradient: the direction of an emotion in noise space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from jobs.evaluation.arms.models import (
    Models,
    embed,
    embed_negative,
    finished,
    named,
    plain,
    starting_state,
)
from jobs.evaluation.cases import Case
from muse.diffusion.denoising import DenoisingState, denoise
from muse.diffusion.schedule.sampler import apply_cfg
from muse.method import Method
from muse.request import Sample, Trace


@torch.no_grad()
def direction(
    models: Models,
    method: Method,
    cases: Sequence[Case],
    strength: float,
    start: float = 0.0,
    alone: bool = False,
) -> list[Sample]:
    """The plain prompt, moved by what naming the emotion changes in the network's output.

    eps = eps_u + s (eps_plain - eps_u) + s_e (eps_named - eps_plain), as in FreeSliders
    (arXiv 2511.00103), or with the last term s_e (eps_emotion - eps_u), where a prompt names the
    emotion alone, as in SEGA (Brack et al., arXiv 2301.12247). Edits start from the inversion.

    Args:
        strength: s_e.
        start: share of the denoising steps before the direction is added, in [0, 1).
        alone: whether the emotion is named without the content.
    """
    conditional = embed(models, [plain(case) for case in cases])
    unconditional = embed_negative(models, len(cases))
    prompts = [f"evoking {case.target.words()}" if alone else named(case) for case in cases]
    emotional = embed(models, prompts)
    scale, backbone = method.scale(cases[0].source is not None), models.backbone
    state, nfe = starting_state(models, method, cases, conditional)

    def predict(state: DenoisingState) -> Tensor:
        nonlocal nfe
        content = backbone.predict(state.latents, state.timesteps, conditional)
        base = backbone.predict(state.latents, state.timesteps, unconditional)
        output = apply_cfg(content, base, scale)
        nfe += 2
        if state.progress < start:
            return output
        nfe += 1
        emotion = backbone.predict(state.latents, state.timesteps, emotional)
        return output + strength * (emotion - (base if alone else content))

    latents = denoise(state, predict)
    return finished(models, latents, [Trace(nfe=nfe) for _ in cases])
