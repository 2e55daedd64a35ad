"""Edits that start from noise are what diffusers' image-to-image pipelines make."""

import diffusers
import pytest
import torch

from muse.diffusion.backbones import FAMILIES as BACKBONES
from muse.diffusion.schedules import latent_scale
from muse.emotions import Target
from muse.engine import MuseEngine
from muse.method import Method
from muse.request import Request
from tests.support.families import FAMILIES, SD

ALLOWED = 5e-6
"""Relative distance of latents, |ours - theirs| / |theirs|."""

PIPELINES = {
    "sd1": diffusers.StableDiffusionImg2ImgPipeline,
    "sdxl": diffusers.StableDiffusionXLImg2ImgPipeline,
    "sd3": diffusers.StableDiffusion3Img2ImgPipeline,
}
BETAS = {key: SD[key] for key in ("beta_start", "beta_end", "beta_schedule", "steps_offset")}
FLOW_DPM = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
EDM = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}
METHOD = Method(steps=5, timing="never", edit_start="noise", edit_guidance_scale=3.0)
SIDE = 32
STRENGTHS = (0.2, 0.5, 0.7, 1.0)
"""Of 5 steps: 1, 2, 3 and all of them, where flow matching takes 4 of 5 for the third."""

CASES = [
    ("sd1", "DDIM", {"clip_sample": False}),
    ("sd1", "EulerDiscrete", {}),
    ("sd1", "EulerDiscrete", {"timestep_spacing": "trailing", "use_karras_sigmas": True}),
    ("sd1", "EulerAncestralDiscrete", {}),
    ("sd1", "HeunDiscrete", {}),
    ("sd1", "DPMSolverMultistep", {}),
    ("sd1", "DPMSolverMultistep", {"algorithm_type": "sde-dpmsolver++"}),
    ("sd1", "UniPCMultistep", {}),
    ("sd1", "DDPM", {"clip_sample": False}),
    ("sd1", "LCM", {}),
    ("sd1", "TCD", {}),
    ("sdxl", "EulerDiscrete", {}),
    ("sdxl", "DDIM", {"clip_sample": False}),
    ("sdxl", "EDMEuler", EDM),
    ("sd3", "FlowMatchEulerDiscrete", {"shift": 3.0}),
    ("sd3", "FlowMatchHeunDiscrete", {"shift": 3.0}),
]
QUICK = {("sd1", "DDIM"), ("sd1", "HeunDiscrete"), ("sd1", "LCM"), ("sdxl", "EulerDiscrete"),
         ("sd3", "FlowMatchEulerDiscrete")}  # fmt: skip


def _marked(case):
    quick = case[:2] in QUICK and "timestep_spacing" not in case[2]
    name = " ".join([*case[:2], *(f"{key}={value}" for key, value in case[2].items())])
    return pytest.param(case, id=name, marks=() if quick else pytest.mark.research)


@pytest.fixture(scope="module")
def pipelines(tokenizer):
    made = {}

    def pipeline(family):
        if family not in made:
            torch.manual_seed(0)
            plain = FAMILIES[family](tokenizer)
            more = {"requires_safety_checker": False} if family == "sd1" else {}
            pipe = PIPELINES[family](**plain.components, **more)
            pipe.set_progress_bar_config(disable=True)
            made[family] = pipe, BACKBONES[type(plain).__name__](plain)
        return made[family]

    return pipeline


def _scheduler(name, config):
    betas = {} if name.startswith(("FlowMatch", "EDM")) else BETAS
    scheduler = getattr(diffusers, f"{name}Scheduler")(**betas | config)
    return scheduler, {**scheduler.config, "_class_name": f"{name}Scheduler"}


@torch.no_grad()
def _theirs(pipe, family, latents, strength):
    more = {"max_sequence_length": 256, "height": SIDE, "width": SIDE} if family == "sd3" else {}
    return pipe(
        prompt="a dog in a forest",
        image=latents,
        strength=strength,
        num_inference_steps=5,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
        **more,
    ).images


@pytest.mark.parametrize("case", map(_marked, CASES))
def test_edits_from_noise_equal_those_of_image_to_image(pipelines, case, random_guide, random_clip):
    family, name, config = case
    pipe, backbone = pipelines(family)
    pipe.scheduler, backbone.scheduler_config = _scheduler(name, config)
    image = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    scale = latent_scale(backbone.scheduler_config)
    # Theirs would draw from the VAE's posterior, of which ours is the mean; latents go in as such.
    given = backbone.codec.encode(image[None]) * scale
    for strength in STRENGTHS:
        method = METHOD.replace(strength=strength)
        engine = MuseEngine(backbone, random_guide, random_clip, method)
        steps = []
        request = Request("a dog in a forest", Target.of("awe"), 7, image=image)
        (sample,) = engine.run([request], lambda _, latents, to=steps: to.append(latents.clone()))
        assert sample.failure is None
        theirs = _theirs(pipe, family, given, strength)
        distance = float((steps[-1] * scale - theirs).norm() / theirs.norm())
        assert distance < ALLOWED, strength
