"""Every arm by its name: ways to make the same cases from the same starting noise.

- `plain`: the prompt with the content alone. Editing: inverted, and denoised again.
- `words`: the prompt names the emotion, at several scales of guidance, since "simply increasing"
  them competes with most methods (arXiv 2602.22570). Editing: from the DDIM inversion.
- `cues`: the prompt is rewritten with the light that the emotion has most often, whatever the
  content, or with light and weather, as a guide to writing prompts advises.
- `direction`: `jobs.evaluation.arms.directions`.
- `sdedit`: as `words`, at its scale for generations, from the source with noise added (Meng et al.,
  arXiv 2108.01073).
- `best-of-n`: `jobs.evaluation.arms.best_of`; draws by words, for edits by SDEdit, since an
  inversion has no noise to draw again.
- `fk`: `jobs.evaluation.arms.particles`.
- `null`: `jobs.evaluation.arms.null_embedding`.
- `latent`: `jobs.evaluation.arms.latent_gradient`.
- `oracle`: the prompt has the target's visual factors: what the text space can express at all.
- `muse`: the method as given, from the fitted tokens of the model. `muse-from-words`: without them,
  each image from the words of its emotion; `muse-no-content` is that without its content term,
  `muse-no-when` that again from the first step on; `muse-no-which` is by cross-entropy alone.

Most arms have several settings. Which strength is best is found on cases of its own
(`jobs.evaluation.tuning`); larger budgets, as more draws, are in the curves by cost alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from jobs.evaluation.arms.best_of import BestOfN
from jobs.evaluation.arms.directions import direction
from jobs.evaluation.arms.latent_gradient import LATENT_SIZE, latent
from jobs.evaluation.arms.models import (
    Arm,
    Models,
    from_words,
    load,
    named,
    pixels_of,
    plain,
    request,
)
from jobs.evaluation.arms.null_embedding import null_embedding
from jobs.evaluation.arms.particles import feynman_kac
from jobs.evaluation.cases import Case
from jobs.evaluation.kept import NOTHING, Kept
from jobs.evaluation.progress import Progress, Work
from muse.diffusion.editing import FROM_NOISE
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.mini.world.factors import LIGHTS, MOODS, WEATHERS
from muse.request import Sample

BATCH = 16
SCALES = (1.0, 1.5, 2.0, 3.0)
"""Factors of the guidance scale under which `words` asks."""
DIRECTIONS = (2.0, 4.0, 6.0, 8.0)
"""Strengths; 4, the guidance scale, is about `words`."""
LATE = 0.2
"""Share of the steps before the direction, tried at the greatest strength."""
ALONE = (2.0, 4.0, 8.0)
"""Strengths of the direction of the emotion without the content."""
DRAWS = (1, 2, 4, 8, 16, 32)
REPORTED_DRAWS = 8
"""Of `best-of-n` and `fk`, some 350 forwards; other numbers are in the curves by cost alone."""
PARTICLES = (2, 4, 8, 16)
NULL_RATES = (0.1, 0.3)
SIZES = (0.05, 0.1, LATENT_SIZE, 0.4)
STRENGTHS = (0.3, 0.5, 0.7, 0.9)

PLAIN: Mapping[str, Any] = {"timing": "never"}
GUIDE_ALONE: Mapping[str, Any] = {"content_weight": 0.0}
"""Changes of the method: no guidance at all, and none by content."""
FROM_WORDS: Mapping[str, Mapping[str, Any]] = {
    "as given": {},
    "5 updates": {"max_updates_per_step": 5},
    "rate 1, 5 updates": {"learning_rate": 1.0, "max_updates_per_step": 5},
    "content 10": {"content_weight": 10.0},
    "content above 0.85": {"content_similarity": 0.85, "content_source_similarity": 0.85},
    "confidence 0.85": {"stop_confidence": 0.85},
}
"""Those of the method without fitted tokens."""
WHOLE = "muse-from-words"
"""The arm whose parts are left out."""
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "muse-no-content": {"content_weight": 0.0},
    # The content term makes waiting needless, so that it has to go, too.
    "muse-no-when": {"content_weight": 0.0, "timing": "fixed", "timing_level": 0.0},
    "muse-no-which": {"inherent_weight": 0.0, "similar_weight": 0.0, "balance": 1.0},
}
"""Changes of the setting of `WHOLE` that is reported. Where they change nothing (`is_ablated`), the
ablation is left out."""


@dataclass(frozen=True)
class Family:
    """The settings of an arm, from the cheapest or weakest on.

    Attributes:
        default: the setting that is reported where none was found to be the best.
        edits_alone: whether it makes edits only.
    """

    settings: Mapping[str, Arm]
    default: str
    edits_alone: bool = False

    @classmethod
    def of(cls, arm: Arm) -> Family:
        """An arm with a single setting."""
        return cls({"only": arm}, "only")

    @property
    def tried(self) -> dict[str, Arm]:
        """The settings of which the best is reported: those with as many images as the default.

        More draws are better and cost more; how many there are is no choice of one against another.
        """
        images = self.settings[self.default].images
        return {key: arm for key, arm in self.settings.items() if arm.images == images}

    def named(self, name: str) -> Family:
        """The same with the names of its arms."""
        arms = {key: replace(arm, name=f"{name} {key}") for key, arm in self.settings.items()}
        return replace(self, settings=arms)


def by_engine(words: Callable[[Case], str], fitted: bool = True, /, **changes: Any) -> Arm:
    """The engine on the cases with these prompts, and with these changes of the method.

    Args:
        fitted: whether tokens start as they were fitted to the model; else from words.
    """

    def make(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
        engine = MuseEngine(models.backbone, models.guide, models.clip, method)
        requests = [request(case, words(case)) for case in cases]
        with nullcontext() if fitted else from_words(models):
            return engine.run(requests)

    return Arm(make, changes=changes)


def cued(case: Case, weather: bool = False) -> str:
    """The prompt with the most probable light, and weather, of each emotion of the target."""
    parts = [case.prompt]
    for emotion in case.target.members:
        mood = MOODS[emotion]
        parts.append(LIGHTS[max(mood.lights, key=mood.lights.__getitem__)].words[0])
        if weather:
            parts.append(WEATHERS[max(mood.weathers, key=mood.weathers.__getitem__)][0])
    return ", ".join(dict.fromkeys(parts))


def words(factor: float) -> Arm:
    """The prompt that names the emotion, under a multiple of the guidance scale."""

    def make(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
        scales = {
            "guidance_scale": min(50.0, factor * method.guidance_scale),
            "edit_guidance_scale": min(50.0, factor * method.edit_guidance_scale),
        }
        return by_engine(named, **scales)(models, method, cases)

    return Arm(make, changes=PLAIN)


def sdedit(strength: float) -> Arm:
    """Noise is added to the source, which is denoised under the prompt that names the emotion.

    Args:
        strength: share of the steps that are taken, in (0, 1].
    """

    def make(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
        from_noise = {
            "edit_start": FROM_NOISE,
            "strength": strength,
            "edit_guidance_scale": method.guidance_scale,
        }
        return by_engine(named, **from_noise)(models, method, cases)

    return Arm(make, changes=PLAIN)


def _directions() -> dict[str, Arm]:
    settings = dict[str, Arm]()
    for strength in DIRECTIONS:
        settings[f"{strength:g}"] = Arm(partial(direction, strength=strength))
    late = partial(direction, strength=DIRECTIONS[-1], start=LATE)
    settings[f"{DIRECTIONS[-1]:g} from {LATE:g}"] = Arm(late)
    for strength in ALONE:
        settings[f"alone, {strength:g}"] = Arm(partial(direction, strength=strength, alone=True))
    return settings


def _draws(kept: Kept) -> dict[str, Arm]:
    # All numbers of draws share theirs, so that the evaluation makes each draw once.
    by_words = replace(words(1.0), name="draw by words")
    by_sdedit = replace(sdedit(STRENGTHS[-1]), name="draw by SDEdit")
    drawn = BestOfN(kept.making(by_words), kept.making(by_sdedit))
    return {str(count): Arm(partial(drawn.make, draws=count), count) for count in DRAWS}


def _null() -> dict[str, Arm]:
    settings = {}
    for name, prompt in (("plain", plain), ("named", named)):
        slow, fast = (
            partial(null_embedding, prompt=prompt, learning_rate=rate) for rate in NULL_RATES
        )
        # As Null-TTA has it, by the guide alone; then with the content term of `muse`.
        settings[f"{name}, slow"] = Arm(slow, 1, GUIDE_ALONE, False)
        settings[f"{name}, fast"] = Arm(fast, 1, GUIDE_ALONE, False)
        settings[f"{name}, content"] = Arm(fast, tokens=False)
    return settings


def families(kept: Kept = NOTHING) -> dict[str, Family]:
    """Every arm but the ablations, by name. They are new each time: some keep what they made.

    Args:
        kept: the draws of `best-of-n` in it are not made again.
    """
    strengths = {f"{s:g}": sdedit(s) for s in STRENGTHS}
    cues = {
        "light": by_engine(cued, **PLAIN),
        "light and weather": by_engine(partial(cued, weather=True), **PLAIN),
    }
    # Neither has a content term.
    particles = {
        str(k): Arm(partial(feynman_kac, count=k), k, GUIDE_ALONE, False) for k in PARTICLES
    }
    sizes = {f"{s:g}": Arm(partial(latent, size=s), changes=GUIDE_ALONE) for s in SIZES}
    found = {
        "plain": Family.of(by_engine(plain, **PLAIN)),
        "words": Family({f"x{factor:g}": words(factor) for factor in SCALES}, "x1"),
        "cues": Family(cues, "light and weather"),
        "oracle": Family.of(by_engine(lambda case: case.oracle, **PLAIN)),
        # What a run does by default: nothing of it is chosen here.
        "muse": Family({"as given": by_engine(plain)}, "as given"),
        WHOLE: Family({n: by_engine(plain, False, **c) for n, c in FROM_WORDS.items()}, "as given"),
        "direction": Family(_directions(), f"alone, {ALONE[1]:g}"),
        "best-of-n": Family(_draws(kept), str(REPORTED_DRAWS)),
        "fk": Family(particles, str(REPORTED_DRAWS)),
        "null": Family(_null(), "plain, content"),
        "latent": Family(sizes, f"{LATENT_SIZE:g}"),
        "sdedit": Family(strengths, f"{STRENGTHS[-1]:g}", edits_alone=True),
    }
    return {name: family.named(name) for name, family in found.items()}


def ablation(name: str, setting: str) -> Arm:
    """The arm `WHOLE` in one of its settings, without one of its parts."""
    arm = by_engine(plain, False, **{**FROM_WORDS[setting], **ABLATIONS[name]})
    return replace(arm, name=f"{name} {setting}")


def is_ablated(name: str, method: Method, setting: str) -> bool:
    """Whether an ablation takes anything away: a part that a setting lacks cannot be left out.

    Args:
        method: the given one, of which the setting of `WHOLE` changes some parameters.
    """
    whole = method.replace(**FROM_WORDS[setting])
    return whole.replace(**ABLATIONS[name]).model_dump() != whole.model_dump()


NAMES = (*families(), *ABLATIONS)
"""Every arm."""


def arm_of(name: str, setting: str = "") -> Arm:
    """An arm in one of its settings, by default in that of its family.

    Args:
        setting: of an ablation, the one of `WHOLE`.
    """
    found = families()
    if name in ABLATIONS:
        return ablation(name, setting or found[WHOLE].default)
    return found[name].settings[setting or found[name].default]


def in_batches(
    arm: Arm,
    models: Models,
    method: Method,
    cases: Sequence[Case],
    kept: Kept = NOTHING,
    progress: Progress | None = None,
) -> tuple[Tensor, list[Sample], float]:
    """Make the cases with an arm: the images, the samples with their traces, and the seconds.

    Args:
        kept: what is in it is not made again; its seconds are those that it took then.
        progress: told of each batch.
    """
    samples, seconds = list[Sample](), 0.0
    for start in range(0, len(cases), BATCH):
        batch = kept.batch(arm, models, method, cases[start : start + BATCH])
        samples += batch.samples
        seconds += batch.seconds
        if progress is not None:
            work = Work.of(arm, cases[0].task)
            progress.add(work, batch, len(samples), len(cases))
    return pixels_of(samples), samples, seconds


def run_arm(
    weights: Path, method: Method, name: str, cases: Sequence[Case]
) -> tuple[Tensor, list[Sample], float]:
    """`in_batches` for the arm of that name, in its default setting."""
    return in_batches(arm_of(name), load(weights), method, cases)
