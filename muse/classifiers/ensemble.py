"""Several classifiers as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from muse.emotions import Taxonomy


class EnsembleClassifier(nn.Module):
    """The mean of the members' log-probabilities, which softmax turns into their normalised geometric mean.

    A mean of probabilities would be content as soon as one member is: its gradient goes to the member that is
    convinced already. This one's goes to each alike, so that a picture must please them all.
    """

    def __init__(self, members: Sequence[nn.Module], taxonomy: Taxonomy):
        super().__init__()
        self.members, self.taxonomy = nn.ModuleList(members), taxonomy

    def logits(self, pixels: Tensor) -> Tensor:
        return torch.stack([F.log_softmax(member.logits(pixels), dim=-1) for member in self.members]).mean(0)
