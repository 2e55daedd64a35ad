"""A baseline: the gradient of MUSE's loss in the latents instead of tokens, as in FreeDoM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from jobs.evaluation.arms.models import (
    Models,
    embed,
    embed_negative,
    finished,
    noise_of,
    plain,
    starting_state,
    weights_of,
)
from jobs.evaluation.cases import Case, sources_of
from muse.classifiers import EmotionClassifier
from muse.diffusion.backbones import Backbone, Conditioning
from muse.diffusion.denoising import DenoisingState, denoise
from muse.diffusion.schedule.sampler import apply_cfg
from muse.emotions import Target
from muse.guidance.losses import confident_rows, inherent_mask, multi_emotion_loss, similar_mask
from muse.method import Method
from muse.request import Sample, Trace

TRAVELS = 2
"""How often each guided step is taken, with noise added back in between.

With 2 it costs about a third more than `muse` when generating, and a sixth more when editing.
"""

LATENT_SIZE = 0.2
"""Length of a move of `latent` over the length of the classifier-free correction."""


@dataclass
class LatentGradient:
    """Hooks of `muse.diffusion.denoising.denoise` after FreeDoM (arXiv 2303.09833, algorithm 2).

    z_{t-1} = DDIM(z_t) - size |scale (eps_c - eps_u)| g / |g|, with g the gradient in z_t of the
    loss of the one-step x0. Then noise is added back to t, and the step is taken again (time
    travel). The same steps are guided as in `muse` (until `guidance_end`), from the first one on. A
    row of which the guide is confident is not moved.

    Attributes:
        targets: of the b rows.
        conditional, unconditional: their conditionings.
        scale: of classifier-free guidance.
        size: length of a move over the length of the classifier-free correction.
        generators: of the rows' noise.
        inherent: (b, n), mask of the emotions that the contents evoke by themselves. If it is None,
            it is read off at the first guided prediction.
        nfe, gradients: network evaluations and gradients spent so far, for each row.
    """

    backbone: Backbone
    guide: EmotionClassifier
    method: Method
    targets: Sequence[Target]
    conditional: Conditioning
    unconditional: Conditioning
    scale: float
    size: float
    generators: Sequence[torch.Generator]
    inherent: Tensor | None = None
    nfe: int = 0
    gradients: int = 0
    move: Tensor | None = None
    travels: int = 0

    def predict(self, state: DenoisingState) -> Tensor:
        """The output of classifier-free guidance; keeps the move for the end of the step."""
        is_guided = state.step < self.method.guidance_end * len(state.schedule)
        if is_guided:
            conditional, gradient, confident = self._evaluate(state)
        else:
            conditional = self.backbone.predict(state.latents, state.timesteps, self.conditional)
        unconditional = self.backbone.predict(state.latents, state.timesteps, self.unconditional)
        self.move = None
        if is_guided:
            correction = norm(conditional - unconditional)
            length = self.size * self.scale * correction / norm(gradient).clamp(min=1e-12)
            self.move = length * ~confident.view(-1, 1, 1, 1) * gradient
        self.nfe += 3 if is_guided else 2
        self.gradients += is_guided
        return apply_cfg(conditional, unconditional, self.scale)

    def on_step(self, before: DenoisingState, following: DenoisingState) -> DenoisingState | None:
        """Move the latents; travel back until the step was taken often enough."""
        if self.move is None:
            return None
        moved = replace(following, latents=following.latents - self.move)
        self.travels += 1
        # Pure noise cannot be travelled back to: it would be another start.
        if self.travels < TRAVELS and float(before.schedule.alphas[before.step]) > 0:
            return self._add_noise(before, moved.latents)
        self.travels = 0
        return moved

    def _evaluate(self, state: DenoisingState) -> tuple[Tensor, Tensor, Tensor]:
        """The conditional output, the gradient in the latents, and where the guide is confident."""
        goal = torch.tensor([target.weights for target in self.targets])
        similar = torch.tensor([similar_mask(target) for target in self.targets])
        with torch.enable_grad():
            leaf = state.latents.detach().requires_grad_(True)
            output = self.backbone.predict(leaf, state.timesteps, self.conditional)
            probs = self.guide.probs(self.backbone.codec.decode_draft(state.x0(output, leaf)))
            if self.inherent is None:
                self.inherent = inherent_mask(probs.p, goal)
            weights = self.method.loss_weights
            loss = multi_emotion_loss(probs, goal, self.inherent, similar, *weights)
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        limits = self.method.inherent_weight, self.method.stop_confidence
        confident = confident_rows(self.targets, probs, self.inherent, *limits)
        return output.detach(), gradient, confident

    def _add_noise(self, before: DenoisingState, latents: Tensor) -> DenoisingState:
        """The start of the step `before` again, from latents (b, c, h, w) at its end."""
        alphas, sigmas = before.schedule.alphas.tolist(), before.schedule.sigmas.tolist()
        kept = alphas[before.step] / alphas[before.step + 1]
        added = max(0.0, sigmas[before.step] ** 2 - (kept * sigmas[before.step + 1]) ** 2) ** 0.5
        shape = latents.shape[1:]
        noise = torch.stack([torch.randn(shape, generator=g) for g in self.generators])
        return replace(before, latents=kept * latents + added * noise)


def norm(rows: Tensor) -> Tensor:
    """The Euclidean length of each row of (b, c, h, w), as (b, 1, 1, 1)."""
    return rows.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


@torch.no_grad()
def latent(
    models: Models, method: Method, cases: Sequence[Case], size: float = LATENT_SIZE
) -> list[Sample]:
    """MUSE's loss, its gradient taken in the latents (see `LatentGradient`).

    A gradient in the latents costs the same as one in the tokens with its text encoders, on the
    embedded model to 2 %.

    Args:
        size: length of a move over the length of the classifier-free correction.
    """
    editing, generators = cases[0].source is not None, noise_of(models, cases)[1]
    conditional = embed(models, [plain(case) for case in cases])
    state, nfe = starting_state(models, method, cases, conditional)
    hooks = LatentGradient(
        models.backbone,
        models.guide,
        method,
        [case.target for case in cases],
        conditional,
        embed_negative(models, len(cases)),
        method.scale(editing),
        size,
        generators,
    )
    hooks.nfe = nfe
    if editing:
        probs = models.guide.probs(sources_of(cases)).p
        hooks.inherent = inherent_mask(probs, weights_of(cases))
    latents = denoise(state, hooks.predict, hooks.on_step)
    spent = hooks.nfe, hooks.gradients
    traces = [Trace(nfe=spent[0], guide_gradients=spent[1]) for _ in cases]
    return finished(models, latents, traces)
