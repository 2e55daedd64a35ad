"""A rival: the embedding of the empty prompt is optimised instead of tokens, as in Null-TTA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from jobs.evaluation.arms.models import (
    Models,
    embed,
    embed_negative,
    finished,
    starting_state,
    weights_of,
)
from jobs.evaluation.cases import Case, sources_of
from muse.diffusion.backbones import Conditioning
from muse.diffusion.denoising import DenoisingState, denoise
from muse.diffusion.schedule.sampler import apply_cfg
from muse.guidance.content import ContentTerm
from muse.guidance.losses import confident_rows, inherent_mask, multi_emotion_loss, similar_mask
from muse.guidance.optimizer import TokenState
from muse.method import Method
from muse.request import Sample, Trace


@dataclass
class NullEmbedding:
    """The prediction of `muse.diffusion.denoising.denoise` after Null-TTA (arXiv 2511.20889).

    The unconditional embedding of classifier-free guidance is optimised at each step, through the
    one-step x0 of the guided output, toward MUSE's loss (with its content term, if the method has
    it); the embedding is carried from step to step. Steps, updates a step, early stop and Adam are
    those of MUSE; only the learning rate is its own.

    Attributes:
        conditional: of the prompts, (b, length, d).
        embedding: the unconditional embeddings and their moments, as b rows of `length` tokens.
        scale: of classifier-free guidance.
        learning_rate: in units of the root mean square of the empty prompt's embedding.
        text_features, source_features: (b, d), for the content term.
        inherent: (b, 8), mask of the emotions that the contents evoke by themselves. If it is None,
            it is read off at the first prediction.
        traces: of each row.
        best: the embeddings (b, length, d) of the lowest loss at the last step that updated them.
    """

    models: Models
    method: Method
    cases: Sequence[Case]
    conditional: Conditioning
    unconditional: Conditioning
    embedding: TokenState
    scale: float
    learning_rate: float
    text_features: Tensor
    source_features: Tensor
    inherent: Tensor | None
    traces: list[Trace]
    best: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.best = self.embedding.tokens.clone()

    def predict(self, state: DenoisingState) -> Tensor:
        """The output of classifier-free guidance with the embedding of the lowest loss."""
        conditional = self._evaluate(state, torch.arange(len(self.cases)), self.conditional)
        for trace in self.traces:
            trace.nfe += 1
        updates = self.method.max_updates_per_step
        if updates and state.step < self.method.guidance_end * len(state.schedule):
            return self._optimize(state, conditional)
        negative = replace(self.unconditional, context=self.best)
        unconditional = self._evaluate(state, torch.arange(len(self.cases)), negative)
        for trace in self.traces:
            trace.nfe += 1
        return apply_cfg(conditional, unconditional, self.scale)

    def _evaluate(self, state: DenoisingState, rows: Tensor, prompts: Conditioning) -> Tensor:
        return self.models.backbone.predict(state.latents[rows], state.timesteps[rows], prompts)

    def _optimize(self, state: DenoisingState, conditional: Tensor) -> Tensor:
        """Update until the guide is confident; the guided outputs of the lowest losses."""
        rows, output = torch.arange(len(self.cases)), torch.zeros_like(conditional)
        lowest = torch.full((len(self.cases),), torch.inf)
        for _ in range(self.method.max_updates_per_step * len(self.cases[0].target.members)):
            loss, gradient, guided, done = self._gradient(state, rows, conditional[rows])
            better = loss < lowest[rows]
            lowest[rows[better]] = loss[better]
            output[rows[better]] = guided[better]
            self.best[rows[better]] = self.embedding.tokens[rows[better]]
            self.embedding.update(rows[~done], gradient[~done], self.learning_rate)
            rows = rows[~done]
            if len(rows) == 0:
                break
        return output

    def _gradient(
        self, state: DenoisingState, rows: Tensor, conditional: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of `rows` (r,): the loss, its gradient, the guided output, and who needs no update."""
        backbone, some = self.models.backbone, [self.cases[row] for row in rows.tolist()]
        part = state.rows(rows)
        with torch.enable_grad():
            leaf = self.embedding.tokens[rows].detach().requires_grad_(True)
            negative = replace(self.unconditional.rows(rows), context=leaf)
            unconditional = self._evaluate(state, rows, negative)
            guided = apply_cfg(conditional, unconditional, self.scale)
            pixels = backbone.codec.decode_draft(part.x0(guided))
            probs = self.models.guide.probs(pixels)
            if self.inherent is None:
                self.inherent = inherent_mask(probs.p.detach(), weights_of(some))
            similar = torch.tensor([similar_mask(case.target) for case in some])
            masks = weights_of(some), self.inherent[rows], similar
            loss = multi_emotion_loss(probs, *masks, *self.method.loss_weights)
            content = self._content(pixels, rows)
            (gradient,) = torch.autograd.grad((loss + content).sum(), leaf)
        limits = self.method.inherent_weight, self.method.stop_confidence
        targets = [case.target for case in some]
        done = confident_rows(targets, probs, self.inherent[rows], *limits) & (content == 0)
        for row in rows.tolist():
            self.traces[row].nfe += 2
            self.traces[row].guide_gradients += 1
        return (loss + content).detach(), gradient, guided.detach(), done

    def _content(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """The content term (r,)."""
        editing = torch.full((len(rows),), self.cases[0].source is not None)
        features = self.text_features[rows], self.source_features[rows], editing
        term = ContentTerm.of(self.method, self.models.clip)
        return term.of_pixels(self.models.clip, pixels, *features)


@torch.no_grad()
def null_embedding(
    models: Models,
    method: Method,
    cases: Sequence[Case],
    prompt: Callable[[Case], str],
    learning_rate: float,
) -> list[Sample]:
    """Null-TTA on the cases with these prompts."""
    conditional = embed(models, [prompt(case) for case in cases])
    plain = embed(models, [case.prompt for case in cases])
    state, nfe = starting_state(models, method, cases, plain)
    unconditional = embed_negative(models, len(cases))
    size = unconditional.context.square().mean((0, 1)).sqrt()
    features = models.clip.text([case.prompt for case in cases])
    inherent, sources = None, torch.zeros_like(features)
    if cases[0].source is not None:
        images = sources_of(cases)
        inherent = inherent_mask(models.guide.probs(images).p, weights_of(cases))
        sources = models.clip.image(images)
    guidance = NullEmbedding(
        models,
        method,
        cases,
        conditional,
        unconditional,
        TokenState.start(unconditional.context, size),
        method.scale(cases[0].source is not None),
        learning_rate,
        features,
        sources,
        inherent,
        [Trace(nfe=nfe) for _ in cases],
    )
    latents = denoise(state, guidance.predict)
    return finished(models, latents, guidance.traces)
