"""WHICH: the multi-emotion loss, toward the target and away from what stands in its way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from muse.emotions import Target
from muse.emotions.probabilities import Probabilities


def multi_emotion_loss(
    probs: Probabilities,
    target: Tensor,
    inherent: Tensor,
    similar: Tensor,
    inherent_weight: float,
    similar_weight: float,
    balance: float,
) -> Tensor:
    """Per-row loss (b,): raise the target, and lower the inherent and the similar emotions that stand beside it.

    L = -log M - b sum_i q_i log(P_i / M) - C (l1 log(1 - P_inherent) + l2 sum_s log(1 - P_s)), P the probabilities, q
    the target and M the sum of P over its members (reconstructed from MUSE, arXiv 2511.21051; the published form is not
    public; b and C are our choice). With b = 1 the first two are the cross-entropy, as they are for one emotion under
    any b.

    Where an image has one emotion, C = 1, and of a mixture b < 1 sees first to it that the image is its members', then
    to how it divides among them. Where it may have several, there is no whole to divide, and b is 1; and to raise the
    target lowers nothing else, so that the two halves of L compete. There C = prod_i P_i^q_i, taken as a constant:
    first toward the target, then, as far as it is reached, away from what stands beside it.

    Args:
        probs: P (b, n) by the guide.
        target: (b, n), rows sum to 1.
        inherent: (b, n), 1 where an emotion is the content's own and not targeted, else 0.
        similar: (b, n), 1 where an emotion is similar to the target and not targeted, else 0.
        inherent_weight, similar_weight, balance: l1, l2, b.
    """
    away = inherent_weight * inherent + similar_weight * similar
    if probs.multi_label:
        balance = 1.0
        away = away * (target * probs.log_p.detach()).sum(-1, keepdim=True).exp()
    log_mass = probs.log_p.masked_fill(target == 0, -torch.inf).logsumexp(-1)
    division = (target * (probs.log_p - log_mass[:, None])).sum(-1)
    return -log_mass - balance * division - (away * probs.log_rest).sum(-1)


def convinced(
    target: Target,
    p: Sequence[float],
    multi_label: bool,
    inherent: int,
    inherent_weight: float,
    enough: float,
) -> bool:
    """Whether a guide that gives these probabilities asks for no more: `enough` of the target, and of what was there
    before at most the rest, unless nothing pushes it down.

    Under probabilities that sum to 1 the second follows from the first; a multi-label guide may see both.

    Args:
        p, several: n probabilities, and whether each is by itself.
        inherent: index of the emotion that the content evokes by itself.
    """
    rest = p[inherent] if inherent_weight else 0.0
    return target.confidence(p, multi_label) >= enough and rest <= 1 - enough


def similar_mask(target: Target) -> list[float]:
    """1 for the same-polarity wheel neighbours of the target's members that are not members themselves."""
    near = {label for member in target.members for label in target.taxonomy.similar(member)} - set(
        target.members
    )
    return [1.0 if label in near else 0.0 for label in target.taxonomy.labels]


def inherent_mask(probabilities: Tensor, target: Tensor) -> Tensor:
    """1 for the strongest emotion outside the target in each row of `probabilities` (b, n), else 0."""
    rival = probabilities.masked_fill(target > 0, -1.0).argmax(-1)
    return F.one_hot(rival, probabilities.shape[-1]).to(probabilities.dtype)
