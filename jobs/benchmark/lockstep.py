"""A batch in lockstep, against which the engine's own pace for every row is measured.

A plain batched loop after `muse.reference`, which it equals row for row. All rows stand at the same
step, and all take part in every pass until the guide is confident of the last one or its updates
are used up; the tokens of a row that has stopped are no longer updated. It saves what a plain loop
can save at no cost: the unconditional output once a step, the output of an evaluation for the
denoising step, the cheap decoder. The time that it takes beyond the engine's is therefore for rows
that are carried along, and for gradients that the engine skips because the guide is confident
already.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from muse.classifiers import EmotionClassifier
from muse.classifiers.clip import ClipSimilarity, similarity
from muse.diffusion.backbones.base import Backbone, Conditioning
from muse.diffusion.denoising import DenoisingState, denoise
from muse.diffusion.schedule.sampler import apply_cfg
from muse.diffusion.schedule.schedules import backbone_schedule
from muse.emotions.probabilities import Probabilities
from muse.guidance.content import ContentTerm
from muse.guidance.losses import confident_rows, inherent_mask, multi_emotion_loss, similar_mask
from muse.guidance.optimizer import TokenState, evaluate_with_gradient
from muse.guidance.timing import timing_of
from muse.method import Method
from muse.request import Request


@torch.no_grad()
def lockstep(
    backbone: Backbone,
    guide: EmotionClassifier,
    clip: ClipSimilarity,
    method: Method,
    requests: Sequence[Request],
) -> Tensor:
    """Final latents (b, c, h, w) of requests to generate.

    Tokens are carried from step to step, as with `warm_start`.

    Raises:
        ValueError: the family has another guidance than two evaluations of the network, from 1 on.
    """
    if backbone.embeds_guidance or backbone.guidance_from_zero:
        raise ValueError(
            "the lockstep loop has classifier-free guidance as Stable Diffusion has it; a "
            f"{type(backbone.network).__name__} is given its scale, or counts it from 0"
        )
    schedule = backbone_schedule(backbone, method)
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    noise = [torch.randn(backbone.latent_shape, generator=generator) for generator in generators]
    latents = schedule.initial(torch.stack(noise).to(backbone.device))
    state = DenoisingState.start(schedule, latents, generators=generators)
    return denoise(state, LockstepGuidance(backbone, guide, clip, method, requests).predict)


def chosen(rows: Tensor, yes: Conditioning, no: Conditioning) -> Conditioning:
    """For each row, by bool (b,), one conditioning or the other."""
    pooled = yes.pooled
    if pooled is not None and no.pooled is not None:
        pooled = torch.where(rows[:, None], pooled, no.pooled)
    return Conditioning(torch.where(rows[:, None, None], yes.context, no.context), pooled)


class LockstepGuidance:
    """MUSE for a batch whose rows all stand at the same step, as the prediction of `denoise`."""

    def __init__(
        self,
        backbone: Backbone,
        guide: EmotionClassifier,
        clip: ClipSimilarity,
        method: Method,
        requests: Sequence[Request],
    ):
        self.backbone, self.guide, self.clip = backbone, guide, clip
        self.method, self.timing = method, timing_of(method, clip.levels)
        device, text = backbone.device, backbone.text
        prompts = [request.prompt for request in requests]
        self.targets = [request.target for request in requests]
        self.weights = torch.tensor([t.weights for t in self.targets], device=device)
        self.similar = torch.tensor([similar_mask(t) for t in self.targets], device=device)
        self.inherent = torch.zeros_like(self.weights)
        self.prompts = text.open(prompts, self.targets, method.tokens, method.prompt_suffix)
        self.plain = backbone.embed(text.plain(prompts))
        self.negative = backbone.embed(text.negative([r.negative_prompt for r in requests]))
        self.text_features = clip.text(prompts)
        tokens = method.initial_scale * text.start(self.targets, method.tokens)
        self.tokens, self.best_tokens = TokenState.start(tokens, text.scale), tokens.clone()
        members = torch.tensor([len(t.members) for t in self.targets], device=device)
        self.max_evaluations = method.max_updates_per_step * members
        self.started = torch.zeros(len(requests), dtype=torch.bool, device=device)
        self.curves = [list[float]() for _ in requests]

    def predict(self, state: DenoisingState) -> Tensor:
        """The network's outputs for this step, after classifier-free guidance."""
        # The conditional outputs that are known before the step, and where they are.
        output, known = torch.zeros_like(state.latents), torch.zeros_like(self.started)
        if self.timing is not None and not self.started.all():
            output = self._decide_start(state)
            known = ~self.started
        if state.step < self.method.guidance_end * len(state.schedule):
            output, known = self._optimize(state, output, known)

        scale, rescale = self.method.scale(editing=False), self.method.guidance_rescale
        if known.all():
            base = self.backbone.predict(state.latents, state.timesteps, self.negative)
            return apply_cfg(output, base, scale, rescale)
        with_tokens = self.backbone.embed(self.prompts, self.best_tokens)
        context = chosen(self.started, with_tokens, self.plain)
        conditional, base = self.backbone.predict(
            state.latents.repeat(2, 1, 1, 1),
            state.timesteps.repeat(2),
            Conditioning.cat([context, self.negative]),
        ).chunk(2)
        return apply_cfg(
            torch.where(known[:, None, None, None], output, conditional), base, scale, rescale
        )

    def _decide_start(self, state: DenoisingState) -> Tensor:
        """WHEN: note the rows that start, and what their contents evoke; gives the plain output."""
        assert self.timing is not None
        codec = self.backbone.codec
        output = self.backbone.predict(state.latents, state.timesteps, self.plain)
        pixels = codec.decode_draft(state.x0(output))
        similarities = similarity(self.clip.image(pixels), self.text_features).tolist()
        inherent = inherent_mask(self.guide.probs(pixels).p, self.weights)
        for k in (~self.started).nonzero().flatten().tolist():
            self.curves[k].append(similarities[k])
            if self.timing.starts(self.curves[k], state.progress):
                self.started[k], self.inherent[k] = True, inherent[k]
        return output

    def _optimize(
        self, state: DenoisingState, output: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor]:
        """HOW: update the tokens; gives the outputs of the lowest losses, and where known."""
        going = self.started.clone()
        lowest = torch.full((len(going),), torch.inf, device=going.device)
        for number in range(int(self.max_evaluations.max())):
            going &= number < self.max_evaluations
            if not going.any():
                break
            evaluation = evaluate_with_gradient(
                self.backbone,
                state.schedule,
                state.index,
                state.latents,
                self.tokens.tokens,
                lambda tokens: self.backbone.embed(self.prompts, tokens),
                self.backbone.codec.decode_draft,
                self.guide.probs,
                self._loss,
                self._content_loss,
            )
            better = going & (evaluation.loss < lowest)
            lowest, known = torch.where(better, evaluation.loss, lowest), known | better
            self.best_tokens[better] = self.tokens.tokens[better]
            output[better] = evaluation.output[better]
            going &= ~self._confident(evaluation.probs) | (evaluation.content > 0)
            gradient, rows = evaluation.gradient[going], going.nonzero().flatten()
            self.tokens.update(rows, gradient, self.method.learning_rate)
        return output, known

    def _loss(self, probs: Probabilities) -> Tensor:
        """WHICH: the multi-emotion loss (b,)."""
        masks = self.weights, self.inherent, self.similar
        return multi_emotion_loss(probs, *masks, *self.method.loss_weights)

    def _content_loss(self, pixels: Tensor) -> Tensor:
        """The content term (b,) of generations: nothing here edits."""
        text, editing = self.text_features, torch.zeros_like(self.started)
        term = ContentTerm.of(self.method, self.clip)
        return term.of_pixels(self.clip, pixels, text, text, editing)

    def _confident(self, probs: Probabilities) -> Tensor:
        """Bool (b,): where the guide is confident of the target."""
        limits = self.method.inherent_weight, self.method.stop_confidence
        return confident_rows(self.targets, probs, self.inherent, *limits)
