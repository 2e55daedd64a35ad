"""The requests of one batch on their way: tensors of a row each, and what a tick does for those that are open.

Phases (see `muse.request`) say what a row needs next; each method here serves the rows of one phase together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from muse.classifiers import resize
from muse.classifiers.clip import similarity
from muse.diffusion.backbones.base import Conditioning
from muse.diffusion.inversion import asked_at, undo
from muse.diffusion.sampler import guided, split
from muse.emotions.probabilities import Probabilities
from muse.guidance.augment import augmented
from muse.guidance.losses import convinced, inherent_mask, multi_emotion_loss, similar_mask
from muse.guidance.optimizer import Reading, TokenState, read
from muse.request import Phase, Request, Row, Sample

if TYPE_CHECKING:
    from muse.engine import MuseEngine

OnStep = Callable[[Row, Tensor], Tensor | None]
"""Called after each denoising step with the row and its new latents (c, h, w); may give others to go on with."""


def _numbers(rows: Sequence[Row]) -> Tensor:
    return torch.tensor([row.number for row in rows], dtype=torch.long)


def _steps(rows: Sequence[Row]) -> Tensor:
    return torch.tensor([row.index for row in rows], dtype=torch.long)


def _told(*parts: Tensor) -> list[list[float]]:
    """Figures of each row, in one transfer: each one waits for the device.

    They are read after every reading. To read them seldom would save a wait, and cost whole readings of rows that are
    convinced already.
    """
    return torch.cat([part.float().view(len(part), -1) for part in parts], dim=1).tolist()


class Batch:
    """The requests of one batch, and their tensors: one row each."""

    def __init__(self, engine: MuseEngine, requests: Sequence[Request], on_step: OnStep | None):
        self.engine, self.backbone, self.method = engine, engine.backbone, engine.method
        self.schedule, self.on_step = engine.schedule, on_step
        device, count = self.backbone.device, len(requests)
        targets, prompts = [r.target for r in requests], [r.prompt for r in requests]
        self.target = torch.tensor([target.weights for target in targets], device=device)
        self.similar = torch.tensor([similar_mask(target) for target in targets], device=device)
        self.inherent = torch.zeros_like(self.target)

        text, method = self.backbone.text, self.method
        self.plain = self.backbone.embed(text.plain(prompts))
        self.negative = self.backbone.embed(text.plain([r.negative_prompt for r in requests]))
        self.prompts = text.open(prompts, targets, method.tokens, method.lead)
        tokens, scale = method.initial_scale * text.start(targets, method.tokens), text.scale
        if method.token_space == "output":
            width = self.plain.context.shape[-1]
            scale = self.plain.context.float().square().mean().sqrt().expand(width)
            tokens = torch.zeros(count, method.tokens, width, device=device)
        self.initial, self.state, self.best = (
            tokens,
            TokenState.start(tokens, scale),
            tokens.clone(),
        )
        self.words = engine.clip.text(prompts)

        self.latents = torch.zeros(count, *self.backbone.latent_shape, device=device)
        self.output, self.base = torch.zeros_like(self.latents), torch.zeros_like(self.latents)
        self.before = torch.full_like(self.latents, float("nan"))
        last = len(self.schedule) - 1
        # An image is never undone to the very first step, where some schedules leave no signal at all.
        first = min(max(1, round((1 - method.strength) * len(self.schedule))), last + 1)
        self.rows = [
            Row(k, r, method.guidance_scale, Phase.STEP, 0)
            if r.image is None
            else Row(k, r, method.edit_guidance_scale, Phase.UNDO, last, first)
            for k, r in enumerate(requests)
        ]
        # Augmentations draw from a stream of their own, or they would repeat the starting noise.
        self.draws = [torch.Generator().manual_seed(r.seed ^ 0x5EED) for r in requests]

    def join(self, rows: list[Row]) -> None:
        """Starting latents: noise (drawn on the CPU, whatever the device), or the image to be undone."""
        for row in rows:
            if row.request.image is None:
                noise = torch.randn(
                    self.latents.shape[1:],
                    generator=torch.Generator().manual_seed(row.request.seed),
                )
                self.latents[row.number] = noise.to(self.latents)
                row.enter(0, self._phase(row, 0))
        edits = [row for row in rows if row.request.image is not None]
        if edits:
            side = self.latents.shape[-1] * self.backbone.codec.pixels_per_latent
            sources = [row.request.image for row in edits if row.request.image is not None]
            images = torch.cat([resize(source[None].to(self.latents), side) for source in sources])
            i = _numbers(edits)
            self.latents[i] = self.backbone.codec.encode(images)
            self.inherent[i] = inherent_mask(self.engine.guide.probs(images).p, self.target[i])
            for row in edits:
                if row.first > row.index:
                    row.phase = Phase.DONE

    def _phase(self, row: Row, index: int) -> Phase:
        if index == len(self.schedule):
            return Phase.DONE
        if self.engine.timing is not None and not row.started:
            return Phase.LOOK
        if (
            not row.started
            or self.method.iterations == 0
            or index >= self.method.until * len(self.schedule)
        ):
            return Phase.STEP
        return Phase.GLANCE if row.convinced else Phase.READ

    def tick(self, rows: list[Row]) -> None:
        """Everything that one pass with gradients and one without can do for the open rows."""
        reading = [row for row in rows if row.phase is Phase.READ]
        if reading:
            self._take(reading, self._read(reading))
        undoing = [row for row in rows if row.phase is Phase.UNDO]
        looking = [row for row in rows if row.phase is Phase.LOOK]
        glancing = [row for row in rows if row.phase is Phase.GLANCE]
        stepping = [row for row in rows if row.phase is Phase.STEP]
        self._predict(undoing, looking, glancing, stepping)
        self._undo(undoing)
        self._decide(looking)
        self._glance(glancing)
        self._advance([row for row in stepping + glancing + looking if row.phase is Phase.STEP])

    def _read(self, rows: list[Row]) -> Reading:
        """HOW: what the guide sees of each row, and where its tokens should go."""
        i = _numbers(rows)
        return read(
            self.backbone,
            self.schedule,
            _steps(rows),
            self.latents[i],
            self.state.tokens[i],
            lambda tokens: self._worded(i, tokens),
            lambda pixels: self._odds(rows, pixels),
            lambda probs: self._loss(i, probs),
        )

    def _odds(self, rows: list[Row], pixels: Tensor) -> Probabilities:
        seen = (
            augmented(pixels, [self.draws[row.number] for row in rows])
            if self.method.augment
            else pixels
        )
        return self.engine.guide.probs(seen)

    def _loss(self, i: Tensor, probs: Probabilities) -> Tensor:
        return multi_emotion_loss(
            probs, self.target[i], self.inherent[i], self.similar[i], *self.method.which
        )

    def _worded(self, i: Tensor, tokens: Tensor) -> Conditioning:
        """Conditioning of rows `i` with these emotional tokens."""
        prompts = self.prompts.rows(i)
        if self.method.token_space == "input":
            return self.backbone.embed(prompts, tokens)
        plain = self.backbone.embed(prompts)
        places = prompts.positions[0].to(tokens.device)[..., None].expand(-1, -1, tokens.shape[-1])
        return Conditioning(
            plain.context.scatter_add(1, places, tokens.to(plain.context.dtype)), plain.pooled
        )

    def _convinced(self, row: Row, p: Sequence[float], multi_label: bool) -> bool:
        weight, enough = self.method.inherent_weight, self.method.enough
        return convinced(row.request.target, p, multi_label, row.inherent, weight, enough)

    def _take(self, rows: list[Row], reading: Reading) -> None:
        """Keep the best reading of the step, update the tokens of who is not convinced, send on who is done."""
        sound = torch.isfinite(reading.gradient).flatten(1).all(1)
        told, multi_label = _told(sound, reading.loss, reading.probs.p), reading.probs.multi_label
        unsure, better = [], []
        for k, (row, (whole, loss, *p)) in enumerate(zip(rows, told, strict=True)):
            row.trace.loss.append(loss)
            row.trace.confidence.append(row.request.target.confidence(p, multi_label))
            row.trace.forwards += 2
            row.trace.gradients += 1
            row.readings += 1
            if not whole:
                row.fail(
                    f"the gradient is non-finite at step {row.index}, reading {row.readings} (loss {loss})"
                )
                continue
            if loss < row.best:
                row.best, row.told = loss, True
                better.append(k)
            row.convinced = self._convinced(row, p, multi_label)
            if not row.convinced:
                unsure.append(k)
                row.trace.iterations += 1
            if row.convinced or row.readings == self.method.iterations * len(
                row.request.target.members
            ):
                row.phase = Phase.STEP
        i = _numbers(rows)
        self.output[i[better]], self.best[i[better]] = (
            reading.output[better],
            self.state.tokens[i[better]],
        )
        self.state.update(i[unsure], reading.gradient[unsure], self.method.learning_rate)

    def _predict(
        self, undoing: list[Row], looking: list[Row], glancing: list[Row], stepping: list[Row]
    ) -> None:
        """One pass without gradients for all that is asked: plain, worded and unconditional outputs."""
        plain = undoing + looking if self.engine.timing is not None else undoing + stepping
        worded = (
            glancing + [row for row in stepping if not row.told]
            if self.engine.timing is not None
            else []
        )
        based = looking if self.engine.timing is not None and self.engine.timing.bare else []
        base = [
            r
            for r in looking + glancing + stepping
            if not r.based and (r.scale != 1.0 or r in based)
        ]
        asked = [*plain, *worded, *base]
        if not asked:
            return
        p, w, b = _numbers(plain), _numbers(worded), _numbers(base)
        parts = [self.plain.rows(p), self.negative.rows(b)]
        if worded:
            self.best[_numbers(glancing)] = self.state.tokens[_numbers(glancing)]
            parts.insert(1, self._worded(w, self.best[w]))
        undone = {row.number for row in undoing}
        at = _steps(asked)
        at = torch.where(
            torch.tensor([r.number in undone for r in asked]), asked_at(self.schedule, at), at
        )
        output = self.backbone.predict(
            self.latents[_numbers(asked)],
            self.schedule.timesteps[at].to(self.latents.device),
            Conditioning.cat(parts),
        )
        self.output[_numbers(plain + worded)] = output[: len(plain + worded)]
        self.base[b] = output[len(plain + worded) :]
        for row in asked:
            row.trace.forwards += 1
        for row in base:
            row.based = True

    def _shown(self, rows: list[Row], output: Tensor) -> Tensor:
        """The one-step x0 of each row by these outputs (b, c, h, w) of the batch, as pixels."""
        i, (alpha, sigma) = _numbers(rows), self.schedule.level(_steps(rows), self.latents)
        x0, _ = split(output[i], self.latents[i], alpha, sigma, self.schedule.prediction)
        return self.backbone.codec.preview(x0)

    def _undo(self, rows: list[Row]) -> None:
        if not rows:
            return
        i = _numbers(rows)
        self.latents[i] = undo(self.schedule, _steps(rows), self.latents[i], self.output[i])
        for row in rows:
            if row.index == row.first:
                row.enter(row.first, self._phase(row, row.first))
            else:
                row.index -= 1

    def _decide(self, rows: list[Row]) -> None:
        """WHEN. Rows that start also learn which emotion their content evokes by itself."""
        if not rows:
            return
        i, engine = _numbers(rows), self.engine
        pixels = self._shown(rows, self.output)
        looked = (
            self._shown(rows, self.base)
            if engine.timing is not None and engine.timing.bare
            else pixels
        )
        scores = similarity(engine.clip.image(looked), self.words[i]).cpu().tolist()
        rivals = inherent_mask(engine.guide.probs(pixels).p, self.target[i])
        for k, row in enumerate(rows):
            row.trace.similarity.append(scores[k])
            row.phase = Phase.STEP
            if engine.timing is not None and engine.timing.starts(
                row.trace.similarity, row.index / len(self.schedule)
            ):
                row.started, row.trace.start_step = True, row.index
                if row.request.image is None:
                    self.inherent[row.number] = rivals[k]
                row.inherent = int(self.inherent[row.number].argmax())
                row.trace.inherent = engine.guide.taxonomy.labels[row.inherent]
                row.phase = self._phase(row, row.index)

    def _glance(self, rows: list[Row]) -> None:
        """A row of which the guide was convinced, and still is, needs no gradient; its prediction serves the step."""
        if not rows:
            return
        i = _numbers(rows)
        probs = self._odds(rows, self._shown(rows, self.output))
        told = _told(self._loss(i, probs), probs.p)
        for row, (loss, *p) in zip(rows, told, strict=True):
            row.convinced = row.told = self._convinced(row, p, probs.multi_label)
            row.phase = Phase.STEP if row.convinced else Phase.READ
            row.trace.glances += 1
            if row.convinced:
                row.trace.loss.append(loss)
                row.trace.confidence.append(row.request.target.confidence(p, probs.multi_label))

    def _advance(self, rows: list[Row]) -> None:
        """The denoising step."""
        if not rows:
            return
        i, at = _numbers(rows), _steps(rows)
        scale = torch.tensor([row.scale for row in rows]).view(-1, 1, 1, 1).to(self.latents)
        base = torch.where(scale == 1.0, self.output[i], self.base[i])
        alpha, sigma = self.schedule.level(at, self.latents)
        x0, _ = split(
            guided(self.output[i], base, scale),
            self.latents[i],
            alpha,
            sigma,
            self.schedule.prediction,
        )
        self.latents[i] = self.schedule.step(self.schedule, at, self.latents[i], x0, self.before[i])
        self.before[i] = x0
        # A sum is finite only if all that it sums is, or where it overflows, which is as bad.
        for row, (value,) in zip(rows, _told(self.latents[i].flatten(1).abs().sum(1)), strict=True):
            if not math.isfinite(value):
                row.fail(f"the latents turned {value} at step {row.index} of {len(self.schedule)}")
                continue
            if self.on_step is not None:
                changed = self.on_step(row, self.latents[row.number])
                if changed is not None:
                    self.latents[row.number] = changed
            row.enter(row.index + 1, self._phase(row, row.index + 1))
            if not self.method.warm_start:
                self.state.reset(row.number, self.initial[row.number])

    def finish(self) -> list[Sample]:
        """Decode what came through, a few at a time."""
        sound = [row for row in self.rows if row.failure is None]
        pictures: dict[int, Tensor] = {}
        for start in range(0, len(sound), 8):
            some = sound[start : start + 8]
            pixels = self.backbone.codec.decode(self.latents[_numbers(some)])
            finite = torch.isfinite(pixels).flatten(1).all(1).cpu().tolist()
            levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
            for row, picture, whole in zip(some, levels, finite, strict=True):
                if whole:
                    pictures[row.number] = picture.permute(1, 2, 0).contiguous()
                else:
                    row.fail(
                        "the decoded image is non-finite; a VAE in float16 may need bfloat16 or float32"
                    )
        return [Sample(pictures.get(row.number), row.trace, row.failure) for row in self.rows]
