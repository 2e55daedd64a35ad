"""Which setting of each arm is the best, on cases that no figure is reported of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from jobs.benchmark.cost import Costs
from jobs.benchmark.cost import count as count_costs
from jobs.evaluation.arms.models import Arm, Models, load
from jobs.evaluation.arms.registry import Family, in_batches
from jobs.evaluation.cases import Case
from jobs.evaluation.kept import NOTHING, Kept
from jobs.evaluation.measures.metrics import Examiners
from jobs.evaluation.measures.results import ArmResult, measure
from jobs.evaluation.progress import Progress
from muse.diffusion.devices import AUTO
from muse.method import Method
from muse.request import Sample


@dataclass(frozen=True)
class Bench:
    """What all arms are made and measured with.

    Attributes:
        kept: what earlier sessions have finished, where this one keeps what it finishes.
        progress: told of each batch.
    """

    models: Models
    examiners: Examiners
    costs: Costs
    method: Method
    kept: Kept = NOTHING
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def of(cls, weights: Path, method: Method, kept: Kept = NOTHING, dtype: str = AUTO) -> Bench:
        """With the models in a folder, as `load` loads them."""
        models = load(weights, dtype=dtype)
        return cls(models, Examiners(weights), count_costs(models), method, kept)

    def made(self, arm: Arm, cases: Sequence[Case]) -> tuple[Tensor, list[Sample], float]:
        """Cases of one task made with an arm, as `in_batches` gives them."""
        return in_batches(arm, self.models, self.method, cases, self.kept, self.progress)

    def measured(self, arm: Arm, cases: Sequence[Case]) -> ArmResult:
        """Make cases of one task with an arm, and measure them."""
        run = self.made(arm, cases)
        found = self.kept.result(arm, self.method, cases, *run[1:])
        if found is None:
            method, is_editing = self.method.replace(**arm.changes), cases[0].source is not None
            spent = self.costs.of_all(run[1], method, is_editing, arm.images, arm.tokens)
            found = measure(self.examiners, cases, run, spent)
            self.kept.keep(arm, self.method, found)
        return found


def best_setting(results: Mapping[str, ArmResult]) -> str:
    """The setting that is right most often; of several, the cheapest."""

    def worth(setting: str) -> tuple[float, float]:
        values = results[setting].values
        return float(values["right"].mean()), -float(values["cost"].mean())

    return max(results, key=worth)


def tune(
    bench: Bench, families: Mapping[str, Family], cases: Sequence[Case]
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Make cases of one task in the settings of each arm among which one is chosen.

    Returns:
        The best setting of each arm, and of each trial `right` and `cost`, by arm and setting.
    """
    chosen: dict[str, str] = {}
    trials: dict[str, dict[str, Any]] = {}
    for name, family in families.items():
        # Nothing is to choose from a single setting.
        if len(family.tried) == 1:
            chosen[name] = family.default
            continue
        results = {key: bench.measured(arm, cases) for key, arm in family.tried.items()}
        chosen[name] = best_setting(results)
        trials[name] = {}
        for key, result in results.items():
            figures = result.figures()
            trials[name][key] = {metric: figures[metric] for metric in ("right", "cost")}
    return chosen, trials
