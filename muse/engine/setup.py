"""What the engine works with: the frozen models, and what follows from the method's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from muse.classifiers import EmotionClassifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones.base import Backbone, latent_shape_of
from muse.diffusion.editing import first_edit_step
from muse.diffusion.schedule.sampler import Schedule
from muse.diffusion.schedule.schedules import backbone_schedule
from muse.emotions import Target
from muse.guidance.content import ContentTerm
from muse.guidance.fitted_tokens import keeps_fitted
from muse.guidance.negative_prompts import unread_reason
from muse.guidance.timing import Timing, timing_of
from muse.guidance.windows import NO_WINDOWS
from muse.method import Method
from muse.request import Request
from muse.sizes import Size


@dataclass(frozen=True)
class Setup:
    """Models and method of an engine.

    Attributes:
        backbone: the diffusion model.
        guide: the classifier that the loss is computed with.
        clip: image-text similarity, for the timing and the content term.
        method: the parameters.
        content: the content term.
        timing: the policy for the start of guidance; None for plain sampling.
        schedule: the denoising steps.
    """

    backbone: Backbone
    guide: EmotionClassifier
    clip: ClipSimilarity
    method: Method
    content: ContentTerm
    timing: Timing | None
    schedule: Schedule

    @classmethod
    def of(
        cls, backbone: Backbone, guide: EmotionClassifier, clip: ClipSimilarity, method: Method
    ) -> Setup:
        """Derive timing and schedule from the method.

        Raises:
            ValueError: if the method's sampler does not fit the backbone (see `make_schedule`), or
                it does not read prompts in windows.
        """
        if method.long_prompts == "chunk" and not backbone.text.reads_windows:
            raise ValueError(NO_WINDOWS)
        schedule = backbone_schedule(backbone, method)
        content = ContentTerm.of(method, clip)
        timing = timing_of(method, clip.levels)
        return cls(backbone, guide, clip, method, content, timing, schedule)

    def of_size(self, size: Size | None) -> Setup:
        """The same for images of this size, by which some models' noise levels are shifted."""
        if size is None or size == self.backbone.sizes.own:
            return self
        cells = latent_shape_of(self.backbone, size)[1:]
        return replace(self, schedule=backbone_schedule(self.backbone, self.method, cells))

    def first_edit_step(self) -> int:
        """The step at which an edit starts (see `muse.diffusion.editing.first_edit_step`)."""
        return first_edit_step(self.schedule, self.method)

    def denoising_steps(self, requests: Sequence[Request]) -> int:
        """Steps of all requests together; an edit has only those after its inversion."""
        edits = sum(request.image is not None for request in requests)
        return len(requests) * len(self.schedule) - edits * self.first_edit_step()

    def cfg_scale(self, editing: bool, has_negative: bool) -> float:
        """The scale between two evaluations of the network; 1 if there is only one.

        Args:
            has_negative: whether the row has a negative prompt. Models that are given the scale of
                guidance are evaluated twice for such rows alone, as in diffusers.
        """
        backbone, method = self.backbone, self.method
        if backbone.embeds_guidance:
            return max(1.0, method.true_cfg_scale) if has_negative else 1.0
        return method.scale(editing, backbone.guidance_from_zero)

    def as_read(self, request: Request) -> Request:
        """A request without a negative prompt that nothing reads."""
        editing = request.image is not None
        backbone = self.backbone
        is_given, from_zero = backbone.embeds_guidance, backbone.guidance_from_zero
        if unread_reason(self.method, is_given, from_zero, editing) is None:
            return request
        return replace(request, negative_prompt=None)

    def embedded_scales(self, editing: Sequence[bool]) -> Tensor | None:
        """The scales (b,) that the network is given, for rows that edit or not; None if it is not.

        Without a lower limit, as in diffusers.
        """
        if not self.backbone.embeds_guidance:
            return None
        method = self.method
        scales = [method.edit_guidance_scale if e else method.guidance_scale for e in editing]
        return torch.tensor(scales, device=self.backbone.device)

    def keeps_fitted(self, target: Target) -> bool:
        """Whether the tokens that were fitted for a target are used as they are."""
        return keeps_fitted(self.backbone.text.fitted, self.method, target)

    def may_update(self, step: int) -> bool:
        """Whether tokens are still updated at this step."""
        return step < self.method.guidance_end * len(self.schedule)
