"""What every arm works with: prompts, noise and starting states."""

import json

import pytest
import torch

from jobs.evaluation.arms.models import (
    Arm,
    embed,
    load,
    named,
    noise_of,
    noised_sources,
    pixels_of,
    refuse_other_guidance,
    starting_state,
)
from jobs.evaluation.cases import draw_cases, draw_mixtures
from muse.method import Method
from muse.mini import WEIGHTS
from muse.request import Sample, Trace
from pipeline.errors import UserError

SHORT = Method(steps=4)
SD_LCM = ("StableDiffusionPipeline", {"time_cond_proj_dim": 256})


def test_noise_only_depends_on_the_case():
    models, cases = load(WEIGHTS), draw_cases(2, 3, editing=False)
    together, alone = noise_of(models, cases)[0], noise_of(models, cases[1:])[0]
    assert torch.equal(together[1:], alone)


def test_a_mixture_is_asked_for_by_both_names():
    (case,) = draw_mixtures(1, 3)
    assert named(case).endswith(f"{case.target.members[0]} and {case.target.members[1]}")


@torch.no_grad()
def test_generations_start_from_noise_and_edits_from_their_inversion():
    models = load(WEIGHTS)
    for editing, first, spent in ((False, 0, 0), (True, 1, 3)):
        cases = draw_cases(1, 3, editing)
        prompts = embed(models, [case.prompt for case in cases])
        state, nfe = starting_state(models, SHORT, cases, prompts)
        assert (state.step, nfe) == (first, spent)
        assert torch.equal(state.latents, noise_of(models, cases)[0]) != editing


@torch.no_grad()
def test_sources_have_the_noise_of_the_step_that_they_start_at():
    models, cases = load(WEIGHTS), draw_cases(1, 3, editing=True)
    weak, strong = (noised_sources(models, SHORT, cases, strength) for strength in (0.25, 0.75))
    assert (weak.step, strong.step) == (3, 1)
    noise = noise_of(models, cases)[0].flatten()
    cosines = []
    for state in (weak, strong):
        cosines.append(torch.cosine_similarity(state.latents.flatten(), noise, dim=0))
    assert cosines[0] < cosines[1]


def test_an_arm_makes_cases_with_its_changes_of_the_method():
    arm = Arm(lambda models, method, cases: [method.steps], changes={"steps": 9})
    assert arm(None, SHORT, []) == [9]


def test_a_failed_request_stops_the_evaluation():
    with pytest.raises(RuntimeError, match="a request failed: too dark"):
        pixels_of([Sample(None, Trace(), "too dark")])


def test_models_with_another_guidance_are_refused_before_they_are_loaded(tmp_path):
    (tmp_path / "unet").mkdir()
    refuse_other_guidance(WEIGHTS / "diffusion")
    for family, network in (("FluxPipeline", {}), ("ZImagePipeline", {}), SD_LCM):
        (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": family}))
        (tmp_path / "unet" / "config.json").write_text(json.dumps(network))
        with pytest.raises(UserError, match=f"cannot be compared on a {family} whose network"):
            refuse_other_guidance(tmp_path)
