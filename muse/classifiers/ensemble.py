"""Several classifiers as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from muse.emotions import Taxonomy
from muse.emotions.probabilities import Probabilities


class EnsembleClassifier(nn.Module):
    """The normalised geometric mean of the members' probabilities.

    If any member is multi-label, so is the ensemble: then it is the mean of the log-odds,
    log P - log(1 - P).

    An arithmetic mean would be high as soon as one member is confident, and its gradient would
    favour that member. The geometric mean weighs all members alike.
    """

    def __init__(self, members: Sequence[nn.Module], taxonomy: Taxonomy):
        super().__init__()
        self.members, self.taxonomy = nn.ModuleList(members), taxonomy
        self.multi_label = any(member.multi_label for member in members)

    def probs(self, pixels: Tensor) -> Probabilities:
        probs = [member.probs(pixels) for member in self.members]
        if self.multi_label:
            log_odds = [one.log_p - one.log_not_p for one in probs]
            return Probabilities.from_sigmoid(torch.stack(log_odds).mean(0))
        return Probabilities.from_softmax(torch.stack([one.log_p for one in probs]).mean(0))
