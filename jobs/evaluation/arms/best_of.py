"""A rival without gradient: of several draws of a case, the best by judge and content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jobs.evaluation.arms.models import Make, Models, pixels_of, verdicts
from jobs.evaluation.cases import Case
from muse.classifiers.clip import similarity
from muse.guidance.content import ContentTerm
from muse.method import Method
from muse.request import Sample
from pipeline.planning.plan import derive_seed

Key = tuple[int, str, str, bool]


@dataclass(frozen=True)
class Draw:
    """One draw of a case, the judge's confidence in it, and its similarity to the plain prompt."""

    sample: Sample
    confidence: float
    similarity: float


@dataclass
class BestOfN:
    """Best of N (Ma et al., arXiv 2501.09732).

    Draws are kept, so that those of N = 32 also serve every smaller N. An object serves one method.

    Attributes:
        generate, edit: what draws the cases of each task.
        kept: the draws so far, by case.
    """

    generate: Make
    edit: Make
    kept: dict[Key, list[Draw]] = field(default_factory=dict)

    def make(
        self, models: Models, method: Method, cases: Sequence[Case], draws: int
    ) -> list[Sample]:
        """Of `draws` samples of each case the one of whose target the judge is most confident.

        It is chosen among those whose similarity to the plain prompt is that of the content term at
        least, as a run with such a filter does; among all where there is none. Its trace has the
        network evaluations of all draws. There is nothing else to add up, since none of them
        evaluates the guide.
        """
        keys = [_key(case) for case in cases]
        while missing := [case for case in cases if len(self.kept.get(_key(case), [])) < draws]:
            self._draw(models, method, missing)
        samples, level = [], ContentTerm.of(method, models.clip).levels[0]
        for key in keys:
            drawn = self.kept[key][:draws]
            kept = [draw for draw in drawn if draw.similarity >= level]
            best = max(kept or drawn, key=lambda draw: draw.confidence).sample
            nfe = sum(draw.sample.trace.nfe for draw in drawn)
            samples.append(replace(best, trace=replace(best.trace, nfe=nfe)))
        return samples

    def _draw(self, models: Models, method: Method, cases: Sequence[Case]) -> None:
        """One more draw of each case."""
        arm = self.generate if cases[0].source is None else self.edit
        redrawn = []
        for case in cases:
            number = len(self.kept.get(_key(case), []))
            # The first draw has the noise of all other arms.
            seed = derive_seed(case.seed, "best-of-n", number) if number else case.seed
            redrawn.append(replace(case, seed=seed))
        samples = arm(models, method, redrawn)
        pixels, texts = pixels_of(samples), models.clip.text([case.prompt for case in cases])
        similarities = similarity(models.clip.image(pixels), texts).tolist()
        scores = verdicts(models, cases, pixels).tolist(), similarities
        for case, sample, *values in zip(cases, samples, *scores, strict=True):
            self.kept.setdefault(_key(case), []).append(Draw(sample, *values))


def _key(case: Case) -> Key:
    return case.seed, case.prompt, case.target.name, case.source is not None
