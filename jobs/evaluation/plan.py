"""Which arms are made, in which settings, and of how many cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.evaluation.arms.models import Arm
from jobs.evaluation.arms.registry import ABLATIONS, WHOLE, Family, ablation, families, is_ablated
from jobs.evaluation.kept import NOTHING, Kept
from jobs.evaluation.progress import Work
from muse.method import Method


def asked_for(names: Sequence[str], kept: Kept = NOTHING) -> dict[str, Family]:
    """The arms of these names; for an ablation also `WHOLE`, whose setting it has."""
    wanted = {*names}
    if wanted & {*ABLATIONS}:
        wanted.add(WHOLE)
    return {name: family for name, family in families(kept).items() if name in wanted}


def left_out(names: Sequence[str], method: Method, chosen: Mapping[str, str]) -> list[str]:
    """The ablations that would be `WHOLE` in its chosen setting under another name."""
    ablations = [name for name in names if name in ABLATIONS]
    return [name for name in ablations if not is_ablated(name, method, chosen[WHOLE])]


def chosen_arm(name: str, found: Mapping[str, Family], chosen: Mapping[str, str]) -> Arm:
    """An arm in its chosen setting; an ablation in that of `WHOLE`."""
    if name in ABLATIONS:
        return ablation(name, chosen[WHOLE])
    return found[name].settings[chosen[name]]


@dataclass(frozen=True)
class Plan:
    """What is made for one task.

    Attributes:
        arms: names of those that are reported.
        tuned: cases on which the setting of each arm is chosen; 0 for the default ones.
        reported: cases of each arm.
        compared: of how many of these every setting is made.
        mixed: two-emotion cases for each of whose emotions `WHOLE` is also run.
    """

    task: str
    arms: Sequence[str]
    tuned: int
    reported: int
    compared: int
    mixed: int

    def ahead(self, method: Method, chosen: Mapping[str, str] | None = None) -> Counter[Work]:
        """The cases to be made of each arm and setting.

        Args:
            chosen: the setting of each arm; None while it is not known, for the default ones.
        """
        found = asked_for(self.arms)
        if chosen is None:
            chosen = {name: family.default for name, family in found.items()}
        ahead = Counter[Work]()
        for name, family in found.items():
            for key, arm in family.settings.items():
                work = Work.of(arm, self.task)
                if len(family.tried) > 1 and key in family.tried:
                    ahead[work] += self.tuned
                if name in self.arms and key != chosen[name]:
                    ahead[work] += self.compared
        missing = left_out(self.arms, method, chosen)
        for name in self.arms:
            if name not in missing:
                ahead[Work.of(chosen_arm(name, found, chosen), self.task)] += self.reported
        if self.mixed:
            ahead[Work.of(chosen_arm(WHOLE, found, chosen), "generation")] += 2 * self.mixed
        return ahead
