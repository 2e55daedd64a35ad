"""Several classifiers as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from muse.emotions import Taxonomy
from muse.emotions.probabilities import Probabilities


class EnsembleClassifier(nn.Module):
    """The mean of the members' log-probabilities, which softmax turns into their normalised geometric mean.

    Where a member is multi-label it is the mean of their log-odds, log P - log(1 - P), and so is the ensemble.

    A mean of probabilities would be content as soon as one member is: its gradient goes to the member that is
    convinced already. This one's goes to each alike, so that a picture must please them all.
    """

    def __init__(self, members: Sequence[nn.Module], taxonomy: Taxonomy):
        super().__init__()
        self.members, self.taxonomy = nn.ModuleList(members), taxonomy
        self.multi_label = any(member.multi_label for member in members)

    def probs(self, pixels: Tensor) -> Probabilities:
        seen = [member.probs(pixels) for member in self.members]
        if self.multi_label:
            return Probabilities.from_sigmoid(
                torch.stack([each.log_p - each.log_rest for each in seen]).mean(0)
            )
        return Probabilities.from_softmax(torch.stack([each.log_p for each in seen]).mean(0))
