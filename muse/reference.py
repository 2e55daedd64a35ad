"""The method as it reads in the paper, one image at a time and nothing clever. Read this first.

`muse.engine` makes the same images faster. The tests hold it to this module, and the benchmark
measures against it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from muse.classifiers import EmotionClassifier, resize
from muse.classifiers.clip import ClipSimilarity, similarity
from muse.diffusion.backbones.base import Backbone, Conditioning, latent_shape_of
from muse.diffusion.backbones.text_encoders import Prompts
from muse.diffusion.denoising import DenoisingState, denoise
from muse.diffusion.editing import FROM_NOISE, KeptRegion, first_edit_step
from muse.diffusion.inversion import ddim_invert
from muse.diffusion.schedule.sampler import apply_cfg
from muse.diffusion.schedule.schedules import backbone_schedule
from muse.guidance.content import ContentTerm
from muse.guidance.fitted_tokens import keeps_fitted
from muse.guidance.losses import inherent_mask, is_confident, multi_emotion_loss, similar_mask
from muse.guidance.optimizer import MAX_GRADIENT_NORM
from muse.guidance.timing import may_start, timing_of
from muse.guidance.windows import windows_of
from muse.method import Method
from muse.request import Request


@torch.no_grad()
def muse(
    backbone: Backbone,
    guide: EmotionClassifier,
    clip: ClipSimilarity,
    method: Method,
    request: Request,
) -> Tensor:
    """Final latents (1, c, h, w) of one request. Predictions are decoded by the full VAE.

    Raises:
        ValueError: if the method's sampler does not fit the backbone.
    """
    shape = latent_shape_of(backbone, request.size)
    schedule = backbone_schedule(backbone, method, shape[1:])
    guidance = MuseGuidance(backbone, guide, clip, method, request)
    generator = torch.Generator().manual_seed(request.seed)
    if request.image is None:
        noise = torch.randn(1, *shape, generator=generator)
        latents = schedule.initial(noise.to(backbone.device))
        state = DenoisingState.start(schedule, latents, generators=[generator])
    else:
        size = request.size or backbone.sizes.own
        image = resize(request.image[None].to(backbone.device), (size.height, size.width))
        guidance.inherent = inherent_mask(guide.probs(image).p, guidance.target)
        guidance.source_features = clip.image(image)
        first_step = first_edit_step(schedule, method)
        latents = backbone.codec.encode(image)
        if request.mask is not None:
            mask = resize(request.mask[None, None].to(image), (size.height, size.width))[0] >= 0.5
            guidance.kept = KeptRegion(image[0], mask, latents[0])
        if method.edit_start == FROM_NOISE:
            noise = torch.randn(latents.shape, generator=generator)
            latents = schedule.noised(latents, noise.to(latents), first_step)
            if guidance.kept is not None:
                guidance.kept.noise = noise[0].to(latents)
        else:
            path = ddim_invert(backbone, schedule, latents, guidance.plain, first_step)
            latents = path[0]
            if guidance.kept is not None:
                guidance.kept.path = dict(enumerate((way[0] for way in path), first_step))
        state = DenoisingState.start(schedule, latents, first_step, [generator])
    return denoise(state, guidance.predict, guidance.keep_outside)


class MuseGuidance:
    """MUSE for one request, as the prediction of `muse.diffusion.denoising.denoise`."""

    def __init__(
        self,
        backbone: Backbone,
        guide: EmotionClassifier,
        clip: ClipSimilarity,
        method: Method,
        request: Request,
    ):
        self.backbone, self.guide, self.clip = backbone, guide, clip
        self.method, self.request, self.timing = method, request, timing_of(method, clip.levels)
        self.content = ContentTerm.of(method, clip)
        text, targets = backbone.text, [request.target]
        self.target = torch.tensor([request.target.weights], device=backbone.device)
        self.similar = torch.tensor([similar_mask(request.target)], device=backbone.device)
        self.inherent = torch.zeros_like(self.target)
        self.text_features = clip.text([request.prompt])
        self.source_features = torch.zeros_like(self.text_features)
        editing = request.image is not None
        self.scale = method.scale(editing, backbone.guidance_from_zero)
        # Some distilled networks are given the scale of guidance, and evaluated once.
        self.embedded_scale = None
        if backbone.embeds_guidance:
            given = method.edit_guidance_scale if editing else method.guidance_scale
            self.embedded_scale = torch.tensor([given], device=backbone.device)
            has_negative = request.negative_prompt is not None
            self.scale = max(1.0, method.true_cfg_scale) if has_negative else 1.0
        negative = request.negative_prompt if self.scale != 1 else None
        read = replace(request, negative_prompt=negative)
        windows = windows_of(method, text.tokenizers, [read])
        self.prompts = text.plain([request.prompt], windows)
        self.plain = self._embed(self.prompts)
        self.negative = self._embed(text.negative([negative], windows))
        if may_start(method):
            count, suffix = method.tokens, method.prompt_suffix
            self.prompts = text.open([request.prompt], targets, count, suffix, windows)
        self.initial_tokens = method.initial_scale * text.start(targets, method.tokens)
        self.best_tokens = self.initial_tokens
        # Tokens that were fitted, and sufficed, are used as they are, from the first step on.
        self.stays_fitted = keeps_fitted(text.fitted, method, request.target)
        self.started, self.curve = self.stays_fitted, list[float]()
        self.kept: KeptRegion | None = None
        self._reset_tokens()

    def _embed(self, prompts: Prompts, tokens: Tensor | None = None) -> Conditioning:
        return self.backbone.embed(prompts, tokens).guided(self.embedded_scale)

    def predict(self, state: DenoisingState) -> Tensor:
        """The network's output for this step, after classifier-free guidance."""
        if not self.started and self.timing is not None:
            self.started = self._starts(state)
        may_update = state.step < self.method.guidance_end * len(state.schedule)
        if self.started and not self.stays_fitted and may_update:
            self._optimize(state)
        context = self.plain
        if self.started:
            context = self._embed(self.prompts, self.best_tokens)
        conditional = self.backbone.predict(state.latents, state.timesteps, context)
        unconditional = self.backbone.predict(state.latents, state.timesteps, self.negative)
        return apply_cfg(conditional, unconditional, self.scale, self.method.guidance_rescale)

    def keep_outside(self, before: DenoisingState, after: DenoisingState) -> DenoisingState:
        """After a step, the latents of an edit's picture outside of its mask."""
        if self.kept is None:
            return after
        latents = self.kept.blend(after.schedule, after.step, after.latents)
        return replace(after, latents=latents)

    def _pixels(self, state: DenoisingState, output: Tensor) -> Tensor:
        """What a network's output predicts, as it is seen."""
        pixels = self.backbone.codec.decode(state.x0(output))
        return pixels if self.kept is None else self.kept.composite(pixels)

    def _starts(self, state: DenoisingState) -> bool:
        """WHEN guidance starts; the content's own emotion is read off at that step."""
        assert self.timing is not None
        output = self.backbone.predict(state.latents, state.timesteps, self.plain)
        pixels = self._pixels(state, output)
        self.curve.append(float(similarity(self.clip.image(pixels), self.text_features)))
        starts = self.timing.starts(self.curve, state.progress)
        if starts and self.request.image is None:
            self.inherent = inherent_mask(self.guide.probs(pixels).p, self.target)
        return starts

    def _optimize(self, state: DenoisingState) -> None:
        """HOW the tokens are optimised: gradients through one prediction of x0, and Adam.

        The step is taken with the tokens of the lowest loss.
        """
        if not self.method.warm_start:
            self._reset_tokens()
        lowest_loss = float("inf")
        for _ in range(self.method.max_updates_per_step * len(self.request.target.members)):
            loss, gradient, confident = self._evaluate(state)
            if loss < lowest_loss:
                lowest_loss, self.best_tokens = loss, self.tokens
            if confident:
                break
            self._update_tokens(gradient)

    def _evaluate(self, state: DenoisingState) -> tuple[float, Tensor, bool]:
        """The loss of the tokens, its gradient (1, k, d), and whether they need no update."""
        with torch.enable_grad():
            leaf = self.tokens.clone().requires_grad_(True)
            context = self._embed(self.prompts, leaf)
            output = self.backbone.predict(state.latents, state.timesteps, context)
            pixels = self._pixels(state, output)
            probs = self.guide.probs(pixels)
            # WHICH emotions to raise and to lower.
            loss = multi_emotion_loss(
                probs, self.target, self.inherent, self.similar, *self.method.loss_weights
            )
            # What keeps content: that of the prompt, and of the image that is edited.
            content = self._content_loss(pixels)
            loss = loss + content
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        confident = is_confident(
            self.request.target,
            probs.p[0].tolist(),
            probs.multi_label,
            int(self.inherent.argmax()),
            self.method.inherent_weight,
            self.method.stop_confidence,
        )
        return float(loss), gradient, confident and float(content) == 0

    def _content_loss(self, pixels: Tensor) -> Tensor:
        """The content term (1,) of the one-step x0 as pixels (1, 3, h, w)."""
        editing = torch.tensor([self.request.image is not None], device=pixels.device)
        features = self.text_features, self.source_features, editing
        return self.content.of_pixels(self.clip, pixels, *features)

    def _reset_tokens(self) -> None:
        self.tokens, self.updates = self.initial_tokens, 0
        self.first_moment = torch.zeros_like(self.tokens)
        self.second_moment = torch.zeros_like(self.tokens)

    def _update_tokens(self, gradient: Tensor) -> None:
        """Adam (Kingma and Ba, arXiv 1412.6980), relative to the size of a word embedding."""
        scale = self.backbone.text.scale
        relative = gradient * scale
        relative = relative * min(1.0, MAX_GRADIENT_NORM / float(relative.norm()))
        self.updates += 1
        self.first_moment = 0.9 * self.first_moment + 0.1 * relative
        self.second_moment = 0.99 * self.second_moment + 0.01 * relative.square()
        mean = self.first_moment / (1 - 0.9**self.updates)
        root_mean_square = (self.second_moment / (1 - 0.99**self.updates)).sqrt()
        step = mean / (root_mean_square + 1e-12)
        self.tokens = self.tokens - self.method.learning_rate * scale * step
