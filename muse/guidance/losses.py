"""WHICH: the multi-emotion loss, toward the target and away from the emotions beside it."""

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
    """Loss (b,) of each row: raise the target, lower the inherent and the similar emotions.

    L = -log M - b sum_i q_i log(P_i / M) - C (l1 log(1 - P_inherent) + l2 sum_s log(1 - P_s)), with
    P the probabilities, q the target and M the sum of P over the target's members. The terms are
    those of MUSE (arXiv 2511.21051), whose exact form is not published; b and C are our choice.
    With b = 1 the first two terms are the cross-entropy, and for a single emotion they are so for
    any b.

    Where an image has exactly one emotion, C = 1, and b < 1 gives how a mixture divides among its
    members less weight than how much of the image they have together. Where it may have several
    emotions, b is 1, since there is no whole to divide. Raising the target then lowers nothing
    else, so that the two halves of L compete. There C = prod_i P_i^q_i, taken as a constant: the
    farther the target is reached, the more the other emotions are lowered.

    Args:
        probs: P (b, n), from the guide.
        target: q (b, n), each row sums to 1.
        inherent: (b, n), 1 where an emotion is the content's own and not in the target, else 0.
        similar: (b, n), 1 where an emotion is similar to the target and not in it, else 0.
        inherent_weight, similar_weight, balance: l1 >= 0, l2 >= 0 and b in [0, 1].
    """
    away = inherent_weight * inherent + similar_weight * similar
    if probs.multi_label:
        balance = 1.0
        away = away * (target * probs.log_p.detach()).sum(-1, keepdim=True).exp()
    log_mass = probs.log_p.masked_fill(target == 0, -torch.inf).logsumexp(-1)
    division = (target * (probs.log_p - log_mass[:, None])).sum(-1)
    return -log_mass - balance * division - (away * probs.log_not_p).sum(-1)


def is_confident(
    target: Target,
    probabilities: Sequence[float],
    multi_label: bool,
    inherent: int,
    inherent_weight: float,
    stop_confidence: float,
) -> bool:
    """Whether the guide is confident enough for the tokens to need no further update.

    Its confidence in the target must be `stop_confidence` at least. If the loss lowers the inherent
    emotion, that one's probability must be 1 - `stop_confidence` at most. Under probabilities that
    sum to 1 the second follows from the first; a multi-label guide may find both probable.

    Args:
        probabilities: one in [0, 1] for each of the n emotions, by the guide.
        multi_label: whether each emotion is probable by itself.
        inherent: index of the emotion that the content evokes by itself.
        inherent_weight: its weight in the loss, >= 0.
        stop_confidence: in [0, 1].
    """
    remaining = probabilities[inherent] if inherent_weight else 0.0
    confidence = target.confidence(probabilities, multi_label)
    return confidence >= stop_confidence and remaining <= 1 - stop_confidence


def confident_rows(
    targets: Sequence[Target],
    probs: Probabilities,
    inherent: Tensor,
    inherent_weight: float,
    stop_confidence: float,
) -> Tensor:
    """`is_confident` of each row, bool (r,), on the device of `inherent`.

    Args:
        targets: of the r rows.
        probs: (r, n), from the guide.
        inherent: (r, n), 1 for the emotion that the content evokes by itself, else 0.
        inherent_weight, stop_confidence: as for `is_confident`.
    """
    confident = []
    for target, p, own in zip(targets, probs.p.tolist(), inherent.argmax(1).tolist(), strict=True):
        limits = inherent_weight, stop_confidence
        confident.append(is_confident(target, p, probs.multi_label, own, *limits))
    return torch.tensor(confident, dtype=torch.bool, device=inherent.device)


def similar_mask(target: Target) -> list[float]:
    """For each of the n emotions 1.0 if it is similar to a member of the target, else 0.0.

    Similar are the neighbours on the wheel with the same polarity; members themselves do not count.
    """
    similar = {label for member in target.members for label in target.taxonomy.similar(member)}
    similar -= set(target.members)
    return [1.0 if label in similar else 0.0 for label in target.taxonomy.labels]


def inherent_mask(probabilities: Tensor, target: Tensor) -> Tensor:
    """(b, n), 1 for the most probable emotion of each row that is not in the target, else 0.

    Args:
        probabilities: (b, n), in [0, 1].
        target: (b, n), above 0 for the members of each row's target.
    """
    strongest = probabilities.masked_fill(target > 0, -1.0).argmax(-1)
    return F.one_hot(strongest, probabilities.shape[-1]).to(probabilities.dtype)
