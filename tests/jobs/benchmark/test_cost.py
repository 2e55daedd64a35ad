"""Costs are counted from the calls that the engine makes."""

from dataclasses import replace

import pytest
import torch

from jobs.benchmark.cost import count, gflop
from jobs.evaluation.arms.models import load
from jobs.evaluation.arms.registry import arm_of, families
from jobs.evaluation.cases import draw_cases
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.mini import WEIGHTS
from muse.request import Request

SHORT = Method(steps=3, max_updates_per_step=1)


@pytest.fixture(scope="module")
def models():
    return load(WEIGHTS)


@pytest.fixture(scope="module")
def costs(models):
    return count(models)


@pytest.mark.parametrize(("slots", "enough"), [(0, 0.125), (2, 0.0), (2, 1.0)])
def test_nfe_is_the_number_of_rows_that_the_network_evaluated(
    enough, slots, random_backbone, random_guide, random_clip, monkeypatch
):
    """A row with a gradient counts twice. Generation, an edit and a mixture together."""
    calls, predict = [], random_backbone.predict

    def watched(latents, timesteps, conditioning):
        calls.append((len(latents), conditioning.context.requires_grad))
        return predict(latents, timesteps, conditioning)

    monkeypatch.setattr(random_backbone, "predict", watched)
    method = Method(
        steps=4,
        max_updates_per_step=2,
        guidance_end=0.75,
        timing="threshold",
        timing_level=1.0,
        timing_latest=0.25,
    )
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    requests = [
        Request("a dog in a forest", Target.of("awe"), 1),
        Request("a cat by a pond", Target.of("fear"), 2, image=image),
        Request("a car in a city", Target.of({"fear": 0.5, "sadness": 0.5}), 3),
    ]
    method = method.replace(stop_confidence=enough)
    samples = MuseEngine(random_backbone, random_guide, random_clip, method, slots).run(requests)
    traces = [sample.trace for sample in samples]
    assert sum(rows * (2 if read else 1) for rows, read in calls) == sum(
        trace.nfe for trace in traces
    )
    assert sum(rows for rows, read in calls if read) == sum(
        trace.guide_gradients for trace in traces
    )
    if enough != 0.125:
        assert all((trace.guide_forwards > 0) == (enough == 0.0) for trace in traces)


@pytest.mark.parametrize(
    ("arm", "task", "margin"),
    # `latent` has another gradient than `muse`, and `sdedit` needs neither guide nor CLIP.
    [
        ("words", "generation", 0.002),
        ("muse", "generation", 0.002),
        ("muse", "editing", 0.002),
        ("muse-no-content", "editing", 0.002),
        ("latent", "generation", 0.02),
        ("sdedit", "editing", 0.01),
        ("direction", "generation", 0.01),
        ("null", "generation", 0.01),
        ("fk", "generation", 0.01),
    ],
)
def test_costs_are_the_operations_that_torch_counts(arm, task, margin, models, costs, monkeypatch):
    """One request against the sum of its parts. The last of four steps is after `guidance_end`."""
    method = SHORT.replace(steps=4)
    predict = models.backbone.predict
    # Torch's counter cannot follow a gradient to what a module was given itself.

    def cloned(latents, timesteps, prompts):
        prompts = replace(prompts, context=prompts.context.clone())
        return predict(latents.clone(), timesteps, prompts)

    monkeypatch.setattr(models.backbone, "predict", cloned)
    some, made, tried = draw_cases(2, 3, task == "editing")[:1], [], arm_of(arm)
    counted = gflop(lambda: made.extend(tried(models, method, some))) / costs.forward
    changed, is_editing = method.replace(**tried.changes), task == "editing"
    spent = costs.of_all(made, changed, is_editing, tried.images, tried.tokens)
    assert spent == [pytest.approx(counted, rel=margin)]


def test_costs_of_several_draws_add_up(models, costs):
    cases = draw_cases(2, 3, editing=False)
    once, twice = (families()["best-of-n"].settings[draws] for draws in ("1", "2"))
    costs_of_one, costs_of_two = (
        costs.of_all(arm(models, SHORT, cases), SHORT, images=arm.images) for arm in (once, twice)
    )
    assert costs_of_two == pytest.approx([2 * cost for cost in costs_of_one])
