"""Metrics of finished images, one figure an image.

Only evaluations use the examiner: no image is made or chosen by its output. Places and subjects
have classifiers of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from jobs.evaluation.cases import Case, scenes_of
from jobs.evaluation.measures.intervals import pair_interval
from jobs.evaluation.measures.kernel_distance import kernel_interval
from muse.classifiers import FolderClassifier, load_image_model, resize
from muse.classifiers.clip import ClipSimilarity, similarity
from muse.emotions import MIKELS, Target
from muse.mini.world.contents import leaning

ROLES = ("guide", "judge", "examiner")
GAPS = ("gap", "clip_gap")
"""Metrics that are a share minus another one."""

Values = dict[str, np.ndarray]
"""A figure an image, by metric."""


class Examiners:
    """The models that measure images: guide, judge, examiner, content classifiers and two CLIPs.

    Attributes:
        clip: the content judge, which takes no part in the making.
        steering_clip: the one by which images are steered.
    """

    def __init__(self, weights: Path):
        self.emotion = {role: FolderClassifier.from_pretrained(weights / role) for role in ROLES}
        self.content = {name: load_image_model(weights / name) for name in ("place", "subject")}
        self.clip = ClipSimilarity.from_pretrained(weights / "content-clip")
        self.steering_clip = ClipSimilarity.from_pretrained(weights / "clip")
        self._scenes: dict[tuple[tuple[int, str, Target], ...], Tensor] = {}

    @torch.inference_mode()
    def probs(self, role: str, pixels: Tensor) -> np.ndarray:
        """Probabilities (b, 8) of an emotion classifier for pixels (b, 3, h, w) in [0, 1]."""
        return self.emotion[role].probs(pixels).p.double().numpy()

    def _inputs(self, name: str, pixels: Tensor) -> Tensor:
        _, side, mean, std = self.content[name]
        small = resize(pixels, side)
        return (small - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)

    @torch.inference_mode()
    def measure(self, pixels: Tensor, cases: Sequence[Case]) -> dict[str, np.ndarray]:
        """Figures of each image of pixels (b, 3, h, w) in [0, 1].

        - `success_ROLE`: 1 where the classifier's strongest emotion is the target (by the examiner:
          Emo-A); of a mixture, where its members are among the three strongest.
        - `confidence_ROLE`: its probability of the target; of a mixture, those of its members
          together, which may exceed 1 with a multi-label classifier.
        - `gap`: success by the guide minus success by the examiner; above 0 the guide was fooled.
        - `place`, `subject`: 1 where the content classifier finds it; `content`: both.
        - `right`: 1 where both `success_examiner` and `content` are.
        - `sem_c`: the probability of the likeliest place or of the likeliest subject, the higher of
          the two: how clear the content is, whatever it is (EmoGen, arXiv 2401.04608).
        - `inherent_left`: 1 where the examiner gives the content's own emotion a probability of 0.5
          or more, and the target is another.
        - `moved`: 1 where `success_examiner` is and `inherent_left` is not; differs from success
          only with a multi-label examiner.
        - `clip_t`: cosine of the image and the plain prompt.
        - `clip_gap`: 1 where the CLIP that steers finds the content, at the level of the loss,
          minus 1 where the content judge accepts it; above 0 the former was fooled. Absent where
          either level is unknown.
        """
        found: dict[str, np.ndarray] = {}
        for role in ROLES:
            probs = self.probs(role, pixels)
            found[f"success_{role}"] = successes(probs, cases)
            found[f"confidence_{role}"] = (probs * members_of(cases)).sum(1)
        # These are the examiner's probabilities, the last of the roles.
        own = np.array([MIKELS.index(leaning(case.place, case.subject)) for case in cases])
        is_target = members_of(cases)[np.arange(len(own)), own] > 0
        left = (probs[np.arange(len(own)), own] >= 0.5) & ~is_target
        found["inherent_left"] = left.astype(float)
        found["moved"] = found["success_examiner"] * (1 - found["inherent_left"])
        found["gap"] = found["success_guide"] - found["success_examiner"]
        clearest = []
        for name, (model, *_) in self.content.items():
            logits = model(pixel_values=self._inputs(name, pixels)).logits
            clearest.append(logits.softmax(-1).amax(-1).double().numpy())
            guesses = logits.argmax(-1).tolist()
            names = [model.config.id2label[guess] for guess in guesses]
            wanted = [getattr(case, name) for case in cases]
            found[name] = (np.array(names) == np.array(wanted)).astype(float)
        found["content"] = found["place"] * found["subject"]
        found["sem_c"] = np.maximum(*clearest)
        found["right"] = found["success_examiner"] * found["content"]
        prompts = [case.prompt for case in cases]
        found["clip_t"] = _similarity(self.clip, pixels, prompts)
        steered, accepted = self.steering_clip.levels.content_similarity, self.clip.levels
        if steered is not None and accepted.min_similarity is not None:
            by_steering = _similarity(self.steering_clip, pixels, prompts) >= steered
            is_accepted = found["clip_t"] >= accepted.min_similarity
            found["clip_gap"] = by_steering.astype(float) - is_accepted.astype(float)
        return found

    @torch.inference_mode()
    def compare(
        self, pixels: Tensor, sources: Tensor, cases: Sequence[Case]
    ) -> dict[str, np.ndarray]:
        """Figures of each edit against its source, both (b, 3, h, w) in [0, 1].

        - `emo_s`: the examiner's probability of the target, after minus before.
        - `ssim`, `psnr` (dB): as scikit-image computes them.
        - `feature_distance`: see the method of that name; lower is closer.
        - `clip_i`: cosine of the two images.
        """
        goal = np.array([MIKELS.index(case.emotion) for case in cases])
        rows = np.arange(len(goal))
        after, before = (self.probs("examiner", images)[rows, goal] for images in (pixels, sources))
        first, second = (images.permute(0, 2, 3, 1).numpy() for images in (sources, pixels))
        ssim, psnr = [], []
        for one, other in zip(first, second, strict=True):
            ssim.append(structural_similarity(one, other, channel_axis=-1, data_range=1.0))
            psnr.append(peak_signal_noise_ratio(one, other, data_range=1.0))
        cosines = similarity(self.clip.image(pixels), self.clip.image(sources))
        return {
            "emo_s": after - before,
            "ssim": np.array(ssim),
            "psnr": np.array(psnr),
            "feature_distance": self.feature_distance(pixels, sources),
            "clip_i": cosines.double().numpy(),
        }

    @torch.inference_mode()
    def feature_distance(self, pixels: Tensor, others: Tensor) -> np.ndarray:
        """Distance (b,) in [0, 4] in the hidden layers of the place and the subject classifier.

        As LPIPS (Zhang et al., arXiv 1801.03924) but without learned weights and on our networks:
        at every layer the squared distance of unit feature vectors, averaged over positions, then
        over layers and networks. Not comparable with published LPIPS.
        """
        layers = []
        for name, (model, *_) in self.content.items():
            hidden = []
            for images in (pixels, others):
                inputs = self._inputs(name, images)
                hidden.append(model(pixel_values=inputs, output_hidden_states=True).hidden_states)
            for one, other in zip(*hidden, strict=True):
                distance = (F.normalize(one, dim=1) - F.normalize(other, dim=1)).square().sum(1)
                layers.append(distance.flatten(1).mean(1))
        return torch.stack(layers).mean(0).double().numpy()

    @torch.inference_mode()
    def distance(self, pixels: Tensor, cases: Sequence[Case]) -> dict[str, Any] | None:
        """KID of the images against as many rendered scenes of their targets, in thousandths.

        The scenes have contents of their own: images and scenes in pairs of one content would be
        closer than two sets. None of a single image.
        """
        if len(cases) < 2:
            return None
        key = tuple((case.seed, case.prompt, case.target) for case in cases)
        if key not in self._scenes:
            self._scenes[key] = self.clip.image(scenes_of(cases))
        return kernel_interval(self.clip.image(pixels), self._scenes[key])

    @torch.inference_mode()
    def variety(self, pixels: Tensor, cases: Sequence[Case]) -> dict[str, Any] | None:
        """Sem-D: 1 - cosine of CLIP image vectors, over all pairs with the same target.

        `n` counts pairs. None where there is no such pair.
        """
        if len({case.emotion for case in cases}) == len(cases):
            return None
        vectors = self.clip.image(pixels).double()
        emotions = np.array([case.emotion for case in cases])
        return pair_interval(
            (1 - vectors @ vectors.T).numpy(), emotions[:, None] == emotions[None, :]
        )


def _similarity(clip: ClipSimilarity, pixels: Tensor, prompts: Sequence[str]) -> np.ndarray:
    """Cosines (b,) of images and their prompts."""
    return similarity(clip.image(pixels), clip.text(prompts)).double().numpy()


def members_of(cases: Sequence[Case]) -> np.ndarray:
    """(b, 8), 1 for the emotions of each target, else 0."""
    return np.array([case.target.weights for case in cases]) > 0


def successes(probs: np.ndarray, cases: Sequence[Case]) -> np.ndarray:
    """1.0 where the targets are reached by probabilities (b, 8), else 0.0.

    The target must be the strongest emotion; the members of a mixture among the three strongest.
    """
    members, rank = members_of(cases), (-probs).argsort(-1).argsort(-1)
    limit = np.where(members.sum(1) > 1, 3, 1)
    lowest = np.where(members, rank, -1).max(1)
    return (lowest < limit).astype(float)
