"""MUSE for a batch of requests: each row has its own prompt, target, seed, start and trace.

Generation and editing share every line below `_starting_latents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from muse.backbone import Backbone
from muse.classifiers import EmotionClassifier, resize
from muse.emotions import Target
from muse.guidance import TokenState, read
from muse.inversion import invert
from muse.losses import inherent_mask, multi_emotion_loss, similar_mask
from muse.method import Method
from muse.sampler import guided, split, step
from muse.similarity import ClipSimilarity, similarity
from muse.timing import Timing, make_timing
from muse.tokens import initial_tokens, open_slots


@dataclass(frozen=True)
class Request:
    """One image to make.

    Attributes:
        prompt: the content, in words; for an edit it describes the image.
        target: the emotion to evoke.
        seed: of the starting noise.
        negative_prompt: what guidance leads away from.
        image: float (3, h, w) in [0, 1] to edit, or None to generate.
    """

    prompt: str
    target: Target
    seed: int
    negative_prompt: str = ""
    image: Tensor | None = None


@dataclass
class Trace:
    """How one sample came about.

    Attributes:
        similarity: image-text similarity at each step until the start.
        start_step: the step at which guidance set in, None if it never did.
        inherent: the emotion that the content evoked by itself at the start.
        loss, confidence: at each reading of the guide: the loss, and the guide's confidence in the target.
        iterations: token updates spent.
        forwards: U-Net forwards spent, a backward pass counted as one.
    """

    similarity: list[float] = field(default_factory=list)
    start_step: int | None = None
    inherent: str | None = None
    loss: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    iterations: int = 0
    forwards: int = 0


@dataclass(frozen=True)
class Sample:
    """A finished request: uint8 pixels (h, w, 3) and its trace; or, on failure, the reason and no pixels."""

    pixels: Tensor | None
    trace: Trace
    failure: str | None = None


class MuseEngine:
    """Runs MUSE on batches with a frozen backbone, a guide and an image-text similarity."""

    def __init__(self, backbone: Backbone, guide: EmotionClassifier, clip: ClipSimilarity, method: Method):
        self.backbone, self.guide, self.clip, self.method = backbone, guide, clip, method
        self.timing = make_timing(method.timing, method.timing_level, method.timing_latest)
        self.schedule = backbone.schedule(method.steps)

    @torch.no_grad()
    def run(self, requests: Sequence[Request]) -> list[Sample]:
        """Make every request of the batch. A row that turns non-finite fails alone.

        The result is a function of the batch, its order and the number of threads; other batches do not matter.
        """
        batch = _Batch(self, requests)
        for index in range(len(self.schedule)):
            batch.denoise(index)
        return batch.finish()


class _Batch:
    """The state of one batch on its way through the denoising steps."""

    def __init__(self, engine: MuseEngine, requests: Sequence[Request]):
        self.engine, self.requests = engine, requests
        self.backbone, self.method, self.schedule = engine.backbone, engine.method, engine.schedule
        targets = [request.target for request in requests]
        prompts = [request.prompt for request in requests]
        self.device = self.backbone.device
        self.target = torch.tensor([target.weights for target in targets], device=self.device)
        self.similar = torch.tensor([similar_mask(target) for target in targets], device=self.device)
        self.inherent = torch.zeros_like(self.target)
        self.traces = [Trace() for _ in requests]
        self.failures: dict[int, str] = {}

        tokenizer, table = self.backbone.tokenizer, self.backbone.token_table
        self.slots = open_slots(tokenizer, prompts, targets, self.method.tokens)
        scale = float(table.weight.float().norm(dim=-1).mean())
        self.state = TokenState.start(initial_tokens(tokenizer, table, targets, self.method.tokens), scale)
        self.plain = self.backbone.embed(self._ids(prompts))
        self.negative = self.backbone.embed(self._ids([request.negative_prompt for request in requests]))
        self.words = engine.clip.text(prompts)
        edits = torch.tensor([request.image is not None for request in requests])
        scales = torch.where(edits, self.method.edit_guidance_scale, self.method.guidance_scale)
        self.scale = scales.view(-1, 1, 1, 1).to(self.device)
        self.started = torch.zeros(len(requests), dtype=torch.bool)
        # The step at which a row joins: 0 for noise, later for an image that is undone only in part.
        self.first = torch.where(edits, max(1, round((1 - self.method.strength) * len(self.schedule))), 0)
        self.latents = self._starting_latents()

    def _ids(self, prompts: list[str]) -> Tensor:
        tokenizer = self.backbone.tokenizer
        return tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids

    def _starting_latents(self) -> Tensor:
        """Noise to generate (drawn on the CPU, whatever the device), the DDIM inversion of the image to edit."""
        shape = self.backbone.latent_shape
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(r.seed)) for r in self.requests]
        latents = torch.stack(noise).to(self.device)
        sources = {i: request.image for i, request in enumerate(self.requests) if request.image is not None}
        rows = list(sources)
        if rows:
            side = shape[-1] * self.backbone.pixels_per_latent
            images = torch.cat([resize(image[None].float(), side) for image in sources.values()]).to(self.device)
            clean = self.backbone.encode(images)
            start = int(self.first[rows[0]])
            latents[rows] = invert(self.backbone, clean, self.plain[rows], self.schedule, start)
            probabilities = self.engine.guide.logits(images).softmax(-1)
            self.inherent[rows] = inherent_mask(probabilities, self.target[rows])
            self._count(rows, len(self.schedule) - start)
        return latents

    def denoise(self, index: int) -> None:
        """One step of every row that has joined: decide the start, optimise the tokens, step."""
        rows = torch.tensor([r for r in range(len(self.requests)) if self.first[r] <= index and r not in self.failures])
        if len(rows) == 0:
            return
        schedule = self.schedule
        alpha, sigma = float(schedule.alphas[index]), float(schedule.sigmas[index])
        told = schedule.timesteps[index]
        context = self.plain.clone()
        outputs = torch.zeros_like(self.latents)

        waiting = rows[~self.started[rows]]
        if len(waiting):
            outputs[waiting] = self.backbone.predict(self.latents[waiting], told, context[waiting])
            self._count(waiting, 1)
            if self.engine.timing is not None:
                x0, _ = split(outputs[waiting], self.latents[waiting], alpha, sigma, schedule.prediction)
                self._decide_start(self.engine.timing, waiting, index, self.backbone.decode(x0))
        guided_rows = rows[self.started[rows]]
        if len(guided_rows):
            if index < self.method.until * len(schedule):
                self._optimise(guided_rows, told, (alpha, sigma))
            some = self.slots.rows(guided_rows)
            context[guided_rows] = self.backbone.embed(some.ids, some.places, self.state.tokens[guided_rows])
            outputs[guided_rows] = self.backbone.predict(self.latents[guided_rows], told, context[guided_rows])
            self._count(guided_rows, 1)
        base = self.backbone.predict(self.latents[rows], told, self.negative[rows])
        self._count(rows, 1)
        mixed = guided(outputs[rows], base, self.scale[rows])
        x0, eps = split(mixed, self.latents[rows], alpha, sigma, schedule.prediction)
        self.latents[rows] = step(x0, eps, float(schedule.alphas[index + 1]), float(schedule.sigmas[index + 1]))
        for row in rows.tolist():
            if not torch.isfinite(self.latents[row]).all():
                self.failures[row] = f"the latents turned non-finite at step {index} of {len(schedule)}"

    def _decide_start(self, timing: Timing, rows: Tensor, index: int, pixels: Tensor) -> None:
        """WHEN. Rows that start also learn which emotion their content evokes by itself."""
        scores = similarity(self.engine.clip.image(pixels), self.words[rows])
        probabilities = self.engine.guide.logits(pixels).softmax(-1)
        rivals = inherent_mask(probabilities, self.target[rows])
        for k, row in enumerate(rows.tolist()):
            trace, progress = self.traces[row], index / len(self.schedule)
            trace.similarity.append(float(scores[k]))
            if timing.starts(trace.similarity, progress):
                self.started[row] = True
                trace.start_step = index
                if self.requests[row].image is None:
                    self.inherent[row] = rivals[k]
                trace.inherent = self.engine.guide.taxonomy.labels[int(self.inherent[row].argmax())]

    def _optimise(self, rows: Tensor, told: Tensor, noise: tuple[float, float]) -> None:
        """HOW. Update the tokens of each row until the guide is convinced or the iterations are spent."""
        for _ in range(self.method.iterations):

            def loss_of(logits: Tensor, rows: Tensor = rows) -> Tensor:
                return multi_emotion_loss(
                    logits,
                    self.target[rows],
                    self.inherent[rows],
                    self.similar[rows],
                    self.method.inherent_weight,
                    self.method.similar_weight,
                )

            reading = read(
                self.backbone,
                self.latents[rows],
                told,
                noise,
                self.schedule.prediction,
                self.slots.rows(rows),
                self.state.tokens[rows],
                self.engine.guide.logits,
                loss_of,
            )
            self._count(rows, 2)
            unsure = []
            for k, row in enumerate(rows.tolist()):
                trace, target = self.traces[row], self.requests[row].target
                confidence = target.confidence(reading.probabilities[k].tolist())
                trace.loss.append(float(reading.loss[k]))
                trace.confidence.append(confidence)
                if not torch.isfinite(reading.gradient[k]).all():
                    self.failures[row] = f"the gradient is non-finite at iteration {trace.iterations}"
                elif confidence < self.method.enough:
                    unsure.append(k)
                    trace.iterations += 1
            if not unsure:
                return
            rows = rows[unsure]
            self.state.update(rows, reading.gradient[unsure], self.method.learning_rate)

    def _count(self, rows: Tensor | list[int], forwards: int) -> None:
        for row in rows.tolist() if isinstance(rows, Tensor) else rows:
            self.traces[row].forwards += forwards

    def finish(self) -> list[Sample]:
        """Decode what came through."""
        pixels = (self.backbone.decode(self.latents).clamp(0, 1) * 255).round().to(torch.uint8)
        samples = []
        for row, trace in enumerate(self.traces):
            reason = self.failures.get(row)
            image = None if reason else pixels[row].permute(1, 2, 0).contiguous().cpu()
            samples.append(Sample(image, trace, reason))
        return samples
