"""The state of a batch: tensors with one row a request, and what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from muse.classifiers import resize
from muse.diffusion.backbones.base import Conditioning, latent_shape_of
from muse.diffusion.editing import FROM_NOISE, KeptRegion
from muse.diffusion.schedule.row_solver import RowSolver
from muse.diffusion.schedule.sampler import to_x0_eps
from muse.emotions.probabilities import Probabilities
from muse.engine.row import Phase, Row
from muse.engine.setup import Setup
from muse.guidance.losses import inherent_mask, is_confident, multi_emotion_loss, similar_mask
from muse.guidance.optimizer import TokenState
from muse.guidance.timing import may_start
from muse.guidance.windows import windows_of
from muse.request import Request, Sample

DECODED_TOGETHER = 8
"""Images that are decoded in one pass at the end."""


def numbers_of(rows: Sequence[Row]) -> Tensor:
    """The places of rows in the batch, int64 (r,)."""
    return torch.tensor([row.number for row in rows], dtype=torch.long)


def steps_of(rows: Sequence[Row]) -> Tensor:
    """The denoising steps at which rows stand, int64 (r,)."""
    return torch.tensor([row.step for row in rows], dtype=torch.long)


class BatchState:
    """The requests of one batch, and their tensors.

    Attributes:
        setup: models and method.
        rows: one for each request, in their order.
        target, similar, inherent: (b, n), the masks of the loss.
        plain, negative: conditioning of the prompts without tokens, and of the negative prompts.
        fitted: of the prompts with the tokens of their start, once a row stays with them.
        scales: (b,), of guidance, where the network is given them.
        prompts: the prompts with places for the emotional tokens, if there can be any.
        text_features, source_features: (b, d), of the prompts and of the images that are edited,
            for similarity to them. The latter are known to the content term alone.
        editing: bool (b,), the rows with an image to edit.
        initial_tokens, best_tokens: (b, k, d); those of the start, and those of the lowest loss at
            each row's step.
        tokens: the tokens that are optimised, with their moments.
        latents, prev_x0: (b, c, h, w); see `muse.diffusion.schedule.sampler.denoise_step`.
        kept: what stays of the pictures of edits with a mask, by the number of their row.
        solvers: what takes each row's steps, where the schedule has a scheduler.
        conditional, unconditional: (b, c, h, w), outputs of the network at each row's step.
    """

    def __init__(self, setup: Setup, requests: Sequence[Request]):
        self.setup = setup
        backbone, method, text = setup.backbone, setup.method, setup.backbone.text
        device = backbone.device
        prompts = [request.prompt for request in requests]
        targets = [request.target for request in requests]
        self.target = torch.tensor([target.weights for target in targets], device=device)
        self.similar = torch.tensor([similar_mask(target) for target in targets], device=device)
        self.inherent = torch.zeros_like(self.target)

        edits = [request.image is not None for request in requests]
        self.editing = torch.tensor(edits, device=device)
        self.scales = setup.embedded_scales(edits)
        read = [setup.as_read(request) for request in requests]
        windows = windows_of(method, text.tokenizers, read)
        with text.resident():
            self.prompts = plain = text.plain(prompts, windows)
            negatives = text.negative([request.negative_prompt for request in read], windows)
            if may_start(method):
                count, suffix = method.tokens, method.prompt_suffix
                self.prompts = text.open(prompts, targets, count, suffix, windows)
        self.plain = backbone.embed(plain).guided(self.scales)
        self.negative = backbone.embed(negatives).guided(self.scales)
        self.text_features = setup.clip.text(prompts)
        self.source_features = torch.zeros_like(self.text_features)
        self.initial_tokens = method.initial_scale * text.start(targets, method.tokens)
        self.best_tokens = self.initial_tokens.clone()
        self.tokens = TokenState.start(self.initial_tokens, text.scale)

        # They are of one size: see `muse.engine.engine.MuseEngine.run`.
        shape = latent_shape_of(backbone, requests[0].size if requests else None)
        self.latents = torch.zeros(len(requests), *shape, device=device)
        self.prev_x0 = torch.full_like(self.latents, float("nan"))
        self.fitted: Conditioning | None = None
        self.conditional = torch.zeros_like(self.latents)
        self.unconditional = torch.zeros_like(self.latents)
        self.kept: dict[int, KeptRegion] = {}
        self.solvers: list[RowSolver | None] = [None] * len(requests)
        self.rows = [self._row(number, request) for number, request in enumerate(requests)]

    def _row(self, number: int, request: Request) -> Row:
        has_negative = request.negative_prompt is not None
        scale = self.setup.cfg_scale(request.image is not None, has_negative)
        first = 0 if request.image is None else self.setup.first_edit_step()
        row = Row(number, request, scale, Phase.STEP, first, first)
        if request.image is not None and self.setup.method.edit_start != FROM_NOISE:
            row.phase, row.step = Phase.INVERT, len(self.setup.schedule) - 1
        # Nothing is to be found out about tokens that stay as they are.
        if self.setup.keeps_fitted(request.target):
            row.stays_fitted, row.started, row.trace.start_step = True, True, first
        return row

    def start(self, rows: Sequence[Row]) -> None:
        """Starting latents: noise for a generation, the encoded image for an edit.

        Noise is drawn on the CPU, so that a seed means the same on every device.
        """
        if edits := [row for row in rows if row.request.image is not None]:
            self._encode(edits)
        schedule, from_noise = self.setup.schedule, self.setup.method.edit_start == FROM_NOISE
        for row in rows:
            generator = torch.Generator().manual_seed(row.request.seed)
            if row.request.image is None or from_noise:
                noise = torch.randn(self.latents.shape[1:], generator=generator).to(self.latents)
                self._start_from_noise(row, noise)
            else:
                self._start_inversion(row)
            self.solvers[row.number] = schedule.solver(generator, row.first_step)

    def _encode(self, rows: Sequence[Row]) -> None:
        """The latents of edits, and the emotions that their images evoke by themselves."""
        codec, i = self.setup.backbone.codec, numbers_of(rows)
        height, width = (cells * codec.pixels_per_latent for cells in self.latents.shape[-2:])
        sources = [row.request.image for row in rows if row.request.image is not None]
        squashed = [resize(image[None].to(self.latents), (height, width)) for image in sources]
        images = torch.cat(squashed)
        self.latents[i] = codec.encode(images)
        self.inherent[i] = inherent_mask(self.setup.guide.probs(images).p, self.target[i])
        for row, image in zip(rows, images, strict=True):
            if (mask := row.request.mask) is not None:
                shares = mask[None, None].to(image)
                fitted = resize(shares, (height, width))[0] >= 0.5
                self.kept[row.number] = KeptRegion(image, fitted, self.latents[row.number].clone())
        # Without guidance nothing is compared with them.
        if self.setup.content.weight and self.setup.timing is not None:
            self.source_features[i] = self.setup.clip.image(images)

    def _start_from_noise(self, row: Row, noise: Tensor) -> None:
        """Noise (c, h, w) alone for a generation, added to the picture for an edit."""
        schedule, i, first = self.setup.schedule, row.number, row.first_step
        if row.request.image is None:
            self.latents[i] = schedule.initial(noise)
        # At a strength of 0 there is nothing to do: the image comes back as it was encoded.
        elif first < len(schedule):
            self.latents[i] = schedule.noised(self.latents[i], noise, first)
            if i in self.kept:
                self.kept[i].noise = noise
        row.enter(first, self.next_phase(row, first))

    def _start_inversion(self, row: Row) -> None:
        if len(self.setup.schedule) == 1:
            row.fail(
                "an edit needs at least 2 steps, of which the first is never inverted; "
                'set method.steps, or method.edit_start = "noise"'
            )
        # At a strength of 0 there is nothing to invert: the image comes back as it was encoded.
        elif row.first_step > row.step:
            row.phase = Phase.DONE

    def note_inverted(self, row: Row) -> None:
        """Note the latents of a row whose inversion has reached the start of its step."""
        if row.number in self.kept:
            self.kept[row.number].path[row.step] = self.latents[row.number].clone()

    def keep_outside(self, rows: Sequence[Row]) -> None:
        """After a step of the rows: the latents of the picture outside of their masks."""
        for row in rows:
            if kept := self.kept.get(row.number):
                latents = self.latents[row.number]
                self.latents[row.number] = kept.blend(self.setup.schedule, row.step + 1, latents)

    def composite(self, rows: Sequence[Row], pixels: Tensor) -> Tensor:
        """Pixels (r, 3, h, w) of rows as they are seen: outside of a mask those of its picture."""
        if not any(row.number in self.kept for row in rows):
            return pixels
        seen = []
        for row, made in zip(rows, pixels, strict=True):
            kept = self.kept.get(row.number)
            seen.append(made if kept is None else kept.composite(made))
        return torch.stack(seen)

    def next_phase(self, row: Row, step: int) -> Phase:
        """The phase with which a row begins a step."""
        setup = self.setup
        if step == len(setup.schedule):
            return Phase.DONE
        if setup.timing is not None and not row.started:
            return Phase.TIMING
        may_update = setup.method.max_updates_per_step > 0 and setup.may_update(step)
        if not row.started or row.stays_fitted or not may_update:
            return Phase.STEP
        return Phase.CHECK if row.is_confident else Phase.OPTIMIZE

    def conditioning(self, i: Tensor, tokens: Tensor) -> Conditioning:
        """Conditioning of rows `i` (r,) with these emotional tokens (r, k, d)."""
        scales = None if self.scales is None else self.scales[i]
        return self.setup.backbone.embed(self.prompts.rows(i), tokens).guided(scales)

    def with_tokens(self, rows: Sequence[Row]) -> Conditioning:
        """Conditioning of rows with their tokens; those that stay fitted, encoded once, come last.

        Args:
            rows: in this order.
        """
        updated = [row for row in rows if not row.stays_fitted]
        parts = []
        if updated:
            i = numbers_of(updated)
            parts.append(self.conditioning(i, self.best_tokens[i]))
        if len(updated) < len(rows):
            if self.fitted is None:
                everything = torch.arange(len(self.rows))
                self.fitted = self.conditioning(everything, self.initial_tokens)
            parts.append(self.fitted.rows(numbers_of(rows[len(updated) :])))
        return Conditioning.cat(parts)

    def loss(self, i: Tensor, probs: Probabilities) -> Tensor:
        """The multi-emotion loss (r,) of rows `i` (r,) under the guide's probabilities (r, n)."""
        masks = self.target[i], self.inherent[i], self.similar[i]
        return multi_emotion_loss(probs, *masks, *self.setup.method.loss_weights)

    def content_loss(self, i: Tensor, pixels: Tensor) -> Tensor:
        """The content term (r,) of rows `i` (r,) whose one-step x0 are pixels (r, 3, h, w)."""
        features = self.text_features[i], self.source_features[i], self.editing[i]
        return self.setup.content.of_pixels(self.setup.clip, pixels, *features)

    def is_confident(self, row: Row, probabilities: Sequence[float], multi_label: bool) -> bool:
        """Whether the guide's n probabilities leave a row's tokens as they are."""
        method = self.setup.method
        return is_confident(
            row.request.target,
            probabilities,
            multi_label,
            row.inherent,
            method.inherent_weight,
            method.stop_confidence,
        )

    def pixels(self, rows: Sequence[Row], output: Tensor) -> Tensor:
        """The one-step x0 of rows as pixels (r, 3, h, w), about [0, 1].

        Args:
            output: of the network, for all rows of the batch (b, c, h, w).
        """
        i, schedule = numbers_of(rows), self.setup.schedule
        alpha, sigma = schedule.level(steps_of(rows), self.latents)
        x0, _ = to_x0_eps(output[i], self.latents[i], alpha, sigma, schedule.prediction)
        return self.seen(rows, x0)

    def seen(self, rows: Sequence[Row], x0: Tensor) -> Tensor:
        """Latents (r, c, h, w) of a one-step x0 of rows as pixels (r, 3, h, w), about [0, 1]."""
        return self.composite(rows, self.setup.backbone.codec.decode_draft(x0))

    def samples(self) -> list[Sample]:
        """Decode all rows that have not failed; the samples in the order of the requests."""
        finished = [row for row in self.rows if row.failure is None]
        pictures: dict[int, Tensor] = {}
        for start in range(0, len(finished), DECODED_TOGETHER):
            rows = finished[start : start + DECODED_TOGETHER]
            pixels = self.setup.backbone.codec.decode_finished(self.latents[numbers_of(rows)])
            is_finite = torch.isfinite(pixels).flatten(1).all(1).cpu().tolist()
            pixels = self.composite(rows, pixels)
            levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
            for row, picture, finite in zip(rows, levels, is_finite, strict=True):
                if finite:
                    pictures[row.number] = picture.permute(1, 2, 0).contiguous()
                else:
                    row.fail(
                        "the decoded image is non-finite; "
                        "a VAE in float16 may need bfloat16 or float32"
                    )
        samples = []
        for row in self.rows:
            tokens = self.best_tokens[row.number].cpu() if row.is_confident else None
            samples.append(Sample(pictures.get(row.number), row.trace, row.failure, tokens))
        return samples
