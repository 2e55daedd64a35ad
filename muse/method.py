"""The parameters of the method, as plain data: this module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def within(settings: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Hold numbers of a settings object against their limits, both included.

    Raises:
        ValueError: the first that is outside, by name, with its limits.
    """
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}; give a number from {low} to {high}")


@dataclass(frozen=True)
class Method:
    """Every parameter of the method; what is not published is our choice. What each does on the embedded world: README.

    Attributes:
        steps: denoising steps.
        sampler: `model` (the one that the model came with), `ddim`, `euler`, `dpm++` or `flow`.
        guidance_scale: classifier-free guidance when generating.
        tokens: emotional tokens in a prompt; the members of a mixture share them by weight.
        initial_scale: how far they start on the way from nothing (0) to the words of the emotions (1).
        token_space: where they are: `input` (words, before the text encoder) or `output` (added to its output).
        lead: what stands between the prompt and the tokens; `{emotion}` is replaced by the target's name.
        iterations: most readings of the guide in one denoising step, for each emotion that is wanted.
        until: share of the steps after which tokens are no longer updated.
        learning_rate: Adam's, in units of a word embedding's root mean square.
        enough: the guide's confidence at which a row needs no update.
        warm_start: whether tokens are carried from step to step; otherwise each step begins with the words.
        augment: whether the guide sees crops, blur and noise.
        timing, timing_level, timing_latest: the policy of WHEN (see `muse.guidance.timing`).
        inherent_weight, similar_weight: of the multi-emotion loss, against what the image must not evoke.
        balance: weight of how a mixture divides, against how much of the image is its members'; 1 is cross-entropy.
        strength: when editing, the share of the steps that is undone and denoised again.
        edit_guidance_scale: classifier-free guidance when editing.
    """

    steps: int = 20
    sampler: str = "model"
    guidance_scale: float = 4.0
    tokens: int = 8
    initial_scale: float = 1.0
    token_space: str = "input"
    lead: str = ", evoking"
    iterations: int = 3
    until: float = 0.7
    learning_rate: float = 0.5
    enough: float = 0.7
    warm_start: bool = True
    augment: bool = False
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
            "iterations": (0, 100),
            "until": (0.0, 1.0),
            "learning_rate": (0.0, 10.0),
            "enough": (0.0, 1.0),
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
            "token_space": ("input", "output"),
            "timing": ("fixed", "threshold", "settled", "plateau", "never"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose {', '.join(known)}")

    @property
    def which(self) -> tuple[float, float, float]:
        """The weights of `muse.guidance.losses.multi_emotion_loss`, in its order."""
        return self.inherent_weight, self.similar_weight, self.balance
