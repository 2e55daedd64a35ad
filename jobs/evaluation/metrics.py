"""What an evaluation measures on finished images, one figure an image, and the intervals of their means.

The examiner is asked by evaluations only, here and in `jobs.benchmark.acceptance_cost`; nothing is made or chosen by what it says.
Content is looked at by classifiers of places and subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from jobs.evaluation.cases import Case, sources_of
from muse.classifiers import FolderClassifier, load_image_model
from muse.classifiers.clip import ClipSimilarity, similarity
from muse.emotions import MIKELS
from muse.mini.world.contents import leaning
from muse.request import Sample

RESAMPLES = 2000
ROLES = ("guide", "judge", "examiner")

Values = dict[str, np.ndarray]
"""A figure an image, by metric."""


class Examiners:
    """All who look at finished images: guide, judge, examiner, those who know contents, and a CLIP."""

    def __init__(self, weights: Path):
        self.emotion = {role: FolderClassifier.from_pretrained(weights / role) for role in ROLES}
        self.content = {name: load_image_model(weights / name) for name in ("place", "subject")}
        self.clip = ClipSimilarity.from_pretrained(weights / "clip")

    @torch.inference_mode()
    def probs(self, role: str, pixels: Tensor) -> np.ndarray:
        """Probabilities (b, 8) of an emotion classifier for pixels (b, 3, h, w) in [0, 1]."""
        return self.emotion[role].probs(pixels).p.double().numpy()

    def _seen(self, name: str, pixels: Tensor) -> Tensor:
        _, side, mean, std = self.content[name]
        assert pixels.shape[-1] == side
        return (pixels - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)

    @torch.inference_mode()
    def measure(self, pixels: Tensor, cases: Sequence[Case]) -> dict[str, np.ndarray]:
        """Figures of each image of pixels (b, 3, h, w) in [0, 1].

        - `success_ROLE`: 1 where the classifier's strongest emotion is the target (by the examiner: Emo-A).
        - `confidence_ROLE`: its probability of the target.
        - `gap`: success by the guide minus success by the examiner; above 0 the guide was pleased, not moved.
        - `place`, `subject`, `content`: 1 where the classifier of contents finds it; `content` is both.
        - `right`: 1 where the examiner's strongest emotion is the target, and the content is found.
        - `inherent_left`: 1 where the examiner gives the emotion that the content evokes by itself half or more, and
          another is wanted.
        - `moved`: 1 where the examiner's strongest emotion is the target, and the content's own is not left beside it;
          only an examiner that sees several emotions in an image can tell this from success.
        - `clip_t`: cosine of the image and the plain prompt.
        """
        goal = np.array([MIKELS.index(case.emotion) for case in cases])
        found: dict[str, np.ndarray] = {}
        for role in ROLES:
            probs = self.probs(role, pixels)
            found[f"success_{role}"] = (probs.argmax(-1) == goal).astype(float)
            found[f"confidence_{role}"] = probs[np.arange(len(goal)), goal]
        # The odds are now the examiner's, the last of the roles.
        own = np.array([MIKELS.index(leaning(case.place, case.subject)) for case in cases])
        found["inherent_left"] = ((probs[np.arange(len(own)), own] >= 0.5) & (own != goal)).astype(
            float
        )
        found["moved"] = found["success_examiner"] * (1 - found["inherent_left"])
        found["gap"] = found["success_guide"] - found["success_examiner"]
        for name, (model, *_) in self.content.items():
            guess = model(pixel_values=self._seen(name, pixels)).logits.argmax(-1).tolist()
            known = [
                model.config.id2label[i] == getattr(case, name)
                for i, case in zip(guess, cases, strict=True)
            ]
            found[name] = np.array(known, dtype=float)
        found["content"] = found["place"] * found["subject"]
        found["right"] = found["success_examiner"] * found["content"]
        texts = self.clip.text([case.prompt for case in cases])
        found["clip_t"] = similarity(self.clip.image(pixels), texts).double().numpy()
        return found

    @torch.inference_mode()
    def compare(
        self, pixels: Tensor, sources: Tensor, cases: Sequence[Case]
    ) -> dict[str, np.ndarray]:
        """Figures of each edit against its source, both (b, 3, h, w) in [0, 1].

        - `emo_s`: the examiner's probability of the target, after minus before.
        - `ssim`, `psnr` (dB): as scikit-image computes them.
        - `feature_distance`: see `feature_distance`; lower is nearer.
        - `clip_i`: cosine of the two images.
        """
        goal = np.array([MIKELS.index(case.emotion) for case in cases])
        rows = np.arange(len(goal))
        gain = (
            self.probs("examiner", pixels)[rows, goal] - self.probs("examiner", sources)[rows, goal]
        )
        pairs = [
            (one.permute(1, 2, 0).numpy(), other.permute(1, 2, 0).numpy())
            for one, other in zip(sources, pixels, strict=True)
        ]
        return {
            "emo_s": gain,
            "ssim": np.array(
                [structural_similarity(a, b, channel_axis=-1, data_range=1.0) for a, b in pairs]
            ),
            "psnr": np.array([peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in pairs]),
            "feature_distance": self.feature_distance(pixels, sources),
            "clip_i": similarity(self.clip.image(pixels), self.clip.image(sources))
            .double()
            .numpy(),
        }

    @torch.inference_mode()
    def feature_distance(self, pixels: Tensor, others: Tensor) -> np.ndarray:
        """How far two images lie apart in the hidden layers of the place and the subject classifier, (b,) in [0, 4].

        As LPIPS (Zhang et al., arXiv 1801.03924) but without learned weights and on our own networks: at every
        layer the squared distance of unit feature vectors, averaged over positions, then over layers and networks.
        Its figures compare with one another, not with published LPIPS.
        """
        layers = []
        for name, (model, *_) in self.content.items():
            both = [
                model(
                    pixel_values=self._seen(name, images), output_hidden_states=True
                ).hidden_states
                for images in (pixels, others)
            ]
            for one, other in zip(*both, strict=True):
                apart = (F.normalize(one, dim=1) - F.normalize(other, dim=1)).square().sum(1)
                layers.append(apart.flatten(1).mean(1))
        return torch.stack(layers).mean(0).double().numpy()

    @torch.inference_mode()
    def variety(self, pixels: Tensor, cases: Sequence[Case]) -> dict[str, Any] | None:
        """Sem-D: 1 - cosine of CLIP image vectors over all pairs of images with the same target; n counts pairs.

        None where no two have it.
        """
        if len({case.emotion for case in cases}) == len(cases):
            return None
        vectors = self.clip.image(pixels).double()
        emotions = np.array([case.emotion for case in cases])
        return pair_interval(
            (1 - vectors @ vectors.T).numpy(), emotions[:, None] == emotions[None, :]
        )


def summary(estimate: float, resampled: np.ndarray, n: int) -> dict[str, Any]:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "mean": round(float(estimate), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "n": n,
    }


def interval(values: np.ndarray) -> dict[str, Any]:
    """Mean with its bootstrap 95 % interval; the same values give the same interval."""
    means = np.random.default_rng(0).choice(values, (RESAMPLES, len(values))).mean(1)
    return summary(values.mean(), means, len(values))


def pair_interval(distances: np.ndarray, together: np.ndarray) -> dict[str, Any]:
    """Mean of `distances` (n, n) over the pairs i < j that are `together`; the images are resampled, not the pairs.

    Pairs that share an image are not independent: resampling them would halve the interval.
    """
    mask = together & ~np.eye(len(distances), dtype=bool)
    draws = (
        np.random.default_rng(0)
        .multinomial(len(mask), np.full(len(mask), 1 / len(mask)), RESAMPLES)
        .astype(float)
    )
    counted = ((draws @ mask) * draws).sum(1)
    totals = ((draws @ (distances * mask)) * draws).sum(1)
    return summary(
        distances[mask].mean(), totals[counted > 0] / counted[counted > 0], int(mask.sum()) // 2
    )


def confusion(probs: np.ndarray, cases: Sequence[Case]) -> list[list[int]]:
    """Counts [target][strongest emotion], both in the order of `MIKELS.labels`."""
    table = np.zeros((len(MIKELS), len(MIKELS)), int)
    np.add.at(
        table, (np.array([MIKELS.index(case.emotion) for case in cases]), probs.argmax(-1)), 1
    )
    return table.tolist()


def pair_figures(probs: np.ndarray, cases: Sequence[Case]) -> dict[str, np.ndarray]:
    """For two-emotion targets: a classifier's probability `mass` on the pair (the sum of the
    two, which a multi-label classifier may have above 1), and whether both are in its `top3`."""
    members = np.array([[MIKELS.index(case.emotion), MIKELS.index(case.second)] for case in cases])
    rank = (-probs).argsort(-1).argsort(-1)
    return {
        "mass": np.take_along_axis(probs, members, 1).sum(1),
        "top3": (np.take_along_axis(rank, members, 1) < 3).all(1).astype(float),
    }


def at_equal_success(curve: Sequence[dict[str, float]], success: float) -> dict[str, float] | None:
    """The figures of a family of settings where its success equals `success`, between neighbours in a straight line.

    None where no setting succeeds so often, or none so rarely: nothing can be compared then.

    Args:
        curve: the means of each setting, gentlest first, with `success_examiner`. A setting that succeeds no more
            often than a gentler one is left out.
    """
    rising = [curve[0]]
    for means in curve[1:]:
        if means["success_examiner"] > rising[-1]["success_examiner"]:
            rising.append(means)
    at = [means["success_examiner"] for means in rising]
    if not at[0] <= success <= at[-1]:
        return None
    return {
        name: round(float(np.interp(success, at, [means[name] for means in rising])), 4)
        for name in rising[0]
    }


@dataclass(frozen=True)
class Made:
    """What one arm made of one task's cases, as measured: a figure an image; the seconds are of all together."""

    cases: Sequence[Case]
    values: Values
    probs: np.ndarray
    variety: dict[str, Any] | None
    samples: Sequence[Sample]
    seconds: float

    def figures(self) -> dict[str, Any]:
        """Of all cases. `seconds` an image has no interval: batches are timed as a whole, and there are few of them."""
        found = {name: interval(values) for name, values in self.values.items()}
        found["seconds"] = {"mean": round(self.seconds / len(self.cases), 4), "n": len(self.cases)}
        return found | ({"sem_d": self.variety} if self.variety else {})


def measure(
    examiners: Examiners,
    cases: Sequence[Case],
    run: tuple[Tensor, list[Sample], float],
    spent: Sequence[float],
) -> Made:
    """What the examiners find in a run of an arm, beside `forwards`: what each image has `spent` (`jobs.benchmark.cost`)."""
    pixels, samples, seconds = run
    values = examiners.measure(pixels, cases)
    if cases[0].source is not None:
        values |= examiners.compare(pixels, sources_of(cases), cases)
    values["forwards"] = np.array(spent)
    variety = examiners.variety(pixels, cases)
    return Made(cases, values, examiners.probs("examiner", pixels), variety, samples, seconds)


def split_figures(made: Made, name: str) -> dict[str, Any]:
    """Success by the examiner, apart for each value of a case's attribute `name`."""
    kinds = np.array([getattr(case, name) for case in made.cases])
    success = made.values["success_examiner"]
    return {str(kind): interval(success[kinds == kind]) for kind in dict.fromkeys(kinds.tolist())}


def subsets(made: Made) -> dict[str, Values]:
    """The figures by the task that they are reported under: its hard requests also by themselves."""
    task, apart = (
        ("generation", "hard") if made.cases[0].source is None else ("editing", "hard_edits")
    )
    hard = np.array([case.hard for case in made.cases])
    found = {task: made.values}
    return found | (
        {apart: {name: values[hard] for name, values in made.values.items()}} if hard.any() else {}
    )


def by_task(made: Made) -> dict[str, dict[str, Any]]:
    """What is reported of an arm under each task's name."""
    found = {
        task: {name: interval(row) for name, row in values.items()}
        for task, values in subsets(made).items()
    }
    whole = next(iter(found))
    return found | {whole: made.figures()}
