"""A rival without gradient: Feynman-Kac steering, several particles resampled by the guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from jobs.evaluation.arms.models import (
    Models,
    ddim_schedule,
    embed,
    embed_negative,
    named,
    noise_of,
    noised_sources,
    samples_of,
    weights_of,
)
from jobs.evaluation.cases import Case
from muse.classifiers import EmotionClassifier
from muse.diffusion.backbones import Backbone
from muse.diffusion.denoising import DenoisingState, cfg_predictor, denoise
from muse.method import Method
from muse.request import Sample, Trace
from pipeline.planning.plan import derive_seed

LAMBDA = 10.0
"""How sharply particles are weighed, exp(LAMBDA reward), as in the paper."""
RESAMPLED = (0.2, 0.4, 0.6, 0.8)
"""Shares of the steps after which particles are resampled: at equal intervals, as in the paper."""
EDIT_STRENGTH = 0.9
"""Strength of the SDEdit that particles of edits start from: an inversion has no noise to draw."""


def systematic(weights: Tensor, offsets: Tensor) -> Tensor:
    """Ancestors (b, k), int64 in [0, k), of k particles for each of b cases, resampled by weight.

    Position (offset + j) / k of the cumulated weights, for j < k: a particle of share w has between
    floor(k w) and ceil(k w) descendants (Kitagawa, 1996; for diffusion arXiv 2604.06779).

    Args:
        weights: (b, k), >= 0, of any sum above 0.
        offsets: (b,), uniform in [0, 1).
    """
    count = weights.shape[1]
    cumulated = weights.double().cumsum(1)
    positions = (offsets.double()[:, None] + torch.arange(count)) / count
    found = torch.searchsorted(cumulated / cumulated[:, -1:], positions, right=True)
    return found.clamp(max=count - 1)


def with_fresh_noise(
    before: DenoisingState, following: DenoisingState, noise: Tensor
) -> DenoisingState:
    """The state after a DDIM step with all the noise that it can draw anew (eta = 1).

    z' = alpha' x0 + sqrt(sigma'^2 - s^2) eps + s n, with s^2 = sigma'^2 / sigma^2 (sigma^2 -
    (alpha sigma' / alpha')^2), the variance of the posterior (Song et al., arXiv 2010.02502,
    equation 16, there for alpha^2 + sigma^2 = 1). The last step draws none.
    """
    alpha, sigma = before.schedule.level(before.index, before.latents)
    alpha_next, sigma_next = following.schedule.level(following.index, following.latents)
    if not (sigma_next > 0).all():
        return following
    posterior = (sigma**2 - (alpha * sigma_next / alpha_next) ** 2).clamp(min=0)
    spread = sigma_next / sigma * posterior.sqrt()
    eps = (following.latents - alpha_next * following.prev_x0) / sigma_next
    kept = (sigma_next**2 - spread**2).clamp(min=0).sqrt()
    latents = alpha_next * following.prev_x0 + kept * eps + spread * noise
    return replace(following, latents=latents)


@dataclass
class Particles:
    """Hook of `muse.diffusion.denoising.denoise` for k particles of each case, in a row.

    Feynman-Kac steering (Singhal et al., arXiv 2501.06848) with the guide's probability of the
    target as the reward r, and the potential exp(LAMBDA max r) over the steps so far.

    Attributes:
        goal: targets of the b cases, (b, 8).
        count: k.
        generators: of each particle's noise.
        offsets: generator of the offsets of resampling.
        highest: (b k,), the highest reward of each particle so far.
    """

    backbone: Backbone
    guide: EmotionClassifier
    goal: Tensor
    count: int
    generators: Sequence[torch.Generator]
    offsets: torch.Generator
    highest: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.highest = torch.zeros(len(self.generators))

    def reward(self, pixels: Tensor) -> Tensor:
        """The guide's probability (b k,) of the target, of pixels (b k, 3, h, w)."""
        goal = self.goal.repeat_interleave(self.count, 0)
        return (self.guide.probs(pixels).p * goal).sum(-1)

    def on_step(self, before: DenoisingState, following: DenoisingState) -> DenoisingState:
        """Resample where that is due; then draw fresh noise, so that copies part."""
        if self.count > 1 and following.step in resampled_steps(len(following.schedule)):
            following = following.rows(self._ancestors(following.prev_x0))
        shape = following.latents.shape[1:]
        noise = torch.stack([torch.randn(shape, generator=g) for g in self.generators])
        return with_fresh_noise(before, following, noise)

    def _ancestors(self, x0: Tensor) -> Tensor:
        """The rows (b k,) that go on, and their highest rewards, by the one-step x0 of all rows."""
        reward = self.reward(self.backbone.codec.decode_draft(x0))
        self.highest = torch.maximum(self.highest, reward)
        weights = (LAMBDA * self.highest).exp().view(-1, self.count)
        chosen = systematic(weights, torch.rand(len(weights), generator=self.offsets))
        first = torch.arange(len(weights))[:, None] * self.count
        rows = (first + chosen).flatten()
        self.highest = self.highest[rows]
        return rows


def resampled_steps(steps: int) -> list[int]:
    """The steps before which particles are resampled."""
    return sorted({round(share * steps) for share in RESAMPLED})


@torch.no_grad()
def feynman_kac(models: Models, method: Method, cases: Sequence[Case], count: int) -> list[Sample]:
    """The best of `count` particles by the guide; the first has the noise of all other arms."""
    rows = [_particle(case, number) for case in cases for number in range(count)]
    state = _start(models, method, rows)
    particles = Particles(
        models.backbone,
        models.guide,
        weights_of(cases),
        count,
        noise_of(models, rows)[1],
        torch.Generator().manual_seed(derive_seed(cases[0].seed, "particles", count)),
    )
    predict = cfg_predictor(
        models.backbone,
        embed(models, [named(case) for case in rows]),
        embed_negative(models, len(rows)),
        method.scale(editing=False),
    )
    steps = range(state.step + 1, len(state.schedule) + 1)
    latents = denoise(state, predict, particles.on_step)
    pixels = models.backbone.codec.decode(latents)
    rewards = particles.reward(pixels).view(-1, count)
    best = torch.arange(len(cases)) * count + rewards.argmax(1)
    # The final choice looks at finished images, as a judge does, whose cost is left out everywhere.
    evaluations = len({*resampled_steps(len(state.schedule))} & {*steps}) * (count > 1)
    traces = [Trace(nfe=2 * len(steps) * count, guide_forwards=evaluations * count) for _ in cases]
    return samples_of(pixels[best], traces)


def _particle(case: Case, number: int) -> Case:
    """The case with the noise of one of its particles."""
    return replace(case, seed=derive_seed(case.seed, "particle", number)) if number else case


def _start(models: Models, method: Method, rows: Sequence[Case]) -> DenoisingState:
    """Noise, or for edits the noised sources."""
    if rows[0].source is not None:
        return noised_sources(models, method, rows, EDIT_STRENGTH)
    schedule = ddim_schedule(models, method)
    return DenoisingState.start(schedule, schedule.initial(noise_of(models, rows)[0]))
