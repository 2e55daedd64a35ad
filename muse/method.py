"""The parameters of the method, as plain data. This module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def within(settings: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Check numbers of a settings object against their limits, both included.

    Raises:
        ValueError: if one is outside; the message has its name and its limits.
    """
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}; give a number from {low} to {high}")


@dataclass(frozen=True)
class Method:
    """Every parameter of the method. What each does on the embedded world is in the README.

    Where MUSE (arXiv 2511.21051) publishes no value, the default is our choice.

    Attributes:
        steps: denoising steps.
        sampler: `model` (the one that the model came with), `ddim`, `euler`, `dpm++` or `flow`.
        guidance_scale: classifier-free guidance when generating.
        tokens: emotional tokens in a prompt; the members of a mixture share them by weight.
        initial_scale: where they start, between zero (0) and the words of the emotions (1).
        prompt_suffix: text between the prompt and the tokens; `{emotion}` is replaced by the
            target's name.
        max_updates_per_step: updates of the tokens in one denoising step at most, for each emotion
            of the target.
        guidance_end: share of the steps after which tokens are no longer updated.
        learning_rate: Adam's, in units of a word embedding's root mean square.
        stop_confidence: the guide's confidence at which the tokens need no further update.
        warm_start: whether tokens are carried from step to step; otherwise each step starts from
            the words again.
        timing, timing_level, timing_latest: the policy of WHEN (see `muse.guidance.timing`):
            `fixed`, `threshold`, `unconditional_threshold`, `plateau` or `never`.
        inherent_weight, similar_weight: weights of the multi-emotion loss, against what the image
            must not evoke.
        balance: weight of how a mixture divides, against how much of the image its members have
            together; 1 is cross-entropy.
        strength: when editing, the share of the steps that is inverted and denoised again.
        edit_guidance_scale: classifier-free guidance when editing.

    Raises:
        ValueError: if a value is outside its limits or no known choice.
    """

    steps: int = 20
    sampler: str = "model"
    guidance_scale: float = 4.0
    tokens: int = 8
    initial_scale: float = 1.0
    prompt_suffix: str = ", evoking"
    max_updates_per_step: int = 3
    guidance_end: float = 0.7
    learning_rate: float = 0.5
    stop_confidence: float = 0.7
    warm_start: bool = True
    timing: str = "threshold"
    timing_level: float = 0.3
    timing_latest: float = 0.3
    inherent_weight: float = 0.5
    similar_weight: float = 0.25
    balance: float = 0.2
    strength: float = 0.95
    edit_guidance_scale: float = 3.0

    def __post_init__(self) -> None:
        limits: dict[str, tuple[float, float]] = {
            "steps": (2, 1000),
            "guidance_scale": (1.0, 50.0),
            "tokens": (1, 16),
            "initial_scale": (0.0, 1.0),
            "max_updates_per_step": (0, 100),
            "guidance_end": (0.0, 1.0),
            "learning_rate": (0.0, 10.0),
            "stop_confidence": (0.0, 1.0),
            "timing_level": (-1.0, 1.0),
            "timing_latest": (0.0, 1.0),
            "inherent_weight": (0.0, 100.0),
            "similar_weight": (0.0, 100.0),
            "balance": (0.0, 1.0),
            "strength": (0.0, 1.0),
            "edit_guidance_scale": (1.0, 50.0),
        }
        within(self, limits)
        choices = {
            "sampler": ("model", "ddim", "euler", "dpm++", "flow"),
            "timing": ("fixed", "threshold", "unconditional_threshold", "plateau", "never"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose {', '.join(known)}")

    @property
    def loss_weights(self) -> tuple[float, float, float]:
        """The weights of `muse.guidance.losses.multi_emotion_loss`, in its order."""
        return self.inherent_weight, self.similar_weight, self.balance
