"""Plain sampling is what diffusers' own pipeline makes: family by scheduler by setting.

Latents are compared in float32, of small random weights that are made sensitive: another prompt or
another sampler moves them by far more than is allowed.
"""

from dataclasses import dataclass, field
from functools import cache

import diffusers
import pytest
import torch
from diffusers.schedulers import scheduling_flow_match_euler_discrete

from muse.diffusion.backbones import FAMILIES as BACKBONES
from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.base import latent_shape_of
from muse.diffusion.backbones.flux import packed, unpacked
from muse.diffusion.backbones.text_encoders import word_embeddings
from muse.diffusion.schedule.schedules import latent_scale
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.request import Request
from muse.sizes import Size
from tests.support.families import FAMILIES, SD

ALLOWED = 5e-6
"""Relative distance of latents, |ours - theirs| / |theirs|."""

BETAS = {key: SD[key] for key in ("beta_start", "beta_end", "beta_schedule", "steps_offset")}
EDM = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}
PNDM = {"skip_prk_steps": True, "set_alpha_to_one": False}


@dataclass(frozen=True)
class Case:
    """One cell of the matrix."""

    family: str
    scheduler: str
    config: dict = field(default_factory=dict)
    steps: int = 4
    guidance: float = 4.0
    negative: str | None = None
    prompt: str = "a dog in a forest"
    size: tuple[int, int] = (32, 32)
    """Width and height, pixels."""
    method: dict = field(default_factory=dict)
    call: dict = field(default_factory=dict)
    """What their pipeline is called with for what `method` says."""

    def __str__(self) -> str:
        said = {**self.config, **self.method, **self.call}
        if self.size != (32, 32):
            said["size"] = "x".join(map(str, self.size))
        parts = [f"{key}={value}" for key, value in said.items()]
        name = self.scheduler.removesuffix("Scheduler").removesuffix("Discrete")
        return " ".join([self.family, name, f"{self.steps}x{self.guidance:g}", *parts])


def _of(family, scheduler, *configs, **more):
    return [Case(family, f"{scheduler}Scheduler", config, **more) for config in configs]


KARRAS, EXPONENTIAL, BETA, LU = (
    {f"use_{name}": True}
    for name in ("karras_sigmas", "exponential_sigmas", "beta_sigmas", "lu_lambdas")
)
LEADING, TRAILING, LINSPACE = (
    {"timestep_spacing": name} for name in ("leading", "trailing", "linspace")
)
V = {"prediction_type": "v_prediction"}
DPM, FLOW = "DPMSolverMultistep", "FlowMatchEulerDiscrete"
FLOW_DPM = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
DYNAMIC = {"use_dynamic_shifting": True}
DEV = {"shift": 3.0, **DYNAMIC}
"""The scheduler of FLUX.1 dev."""

QUICK = [
    *_of("sd1", "DDIM", {}, size=(48, 32), steps=3),
    *_of("sdxl", "EulerDiscrete", {}, size=(24, 40), steps=3),
    *_of("sd3", FLOW, {"shift": 3.0}, size=(56, 24), steps=3),
    *_of("sd1", "DDIM", {}, prompt=""),
    *_of("sd1", "DDIM", LINSPACE),
    *_of("sd1", "EulerDiscrete", {"final_sigmas_type": "sigma_min"}),
    *_of("sd1", "DDIM", {}, call={"clip_skip": 1}, negative="rain"),
    *_of("sd1", "PNDM", PNDM),
    *_of("sd1", "EulerDiscrete", TRAILING),
    *_of("sd1", "EulerAncestralDiscrete", {}),
    *_of("sd1", "HeunDiscrete", {}),
    *_of("sd1", "UniPCMultistep", {}),
    *_of("sd1", "UniPCMultistep", {"solver_order": 4}, steps=6),
    *_of("sd1", DPM, {"solver_type": "heun"}, {"final_sigmas_type": "sigma_min"}),
    *_of("sd1", DPM, {"algorithm_type": "sde-dpmsolver++"}),
    *_of("sd1", "DDPM", {}),
    *_of("sd1", "LCM", {}, guidance=1.5),
    *_of("sd1", "TCD", {}, method={"eta": 0.3}, call={"eta": 0.3}),
    *_of("sd1", "DEISMultistep", {}),
    *_of("sd1", "LMSDiscrete", {}),
    *_of("sd1", "KDPM2Discrete", {}),
    *_of("sd1", "KDPM2AncestralDiscrete", {}),
    *_of("sd1", "DPMSolverSinglestep", {}),
    *_of("sd1_lcm", "LCM", {}, guidance=8.0, steps=2),
    *_of("sd1_masked", "DDIM", {}, negative="rain", steps=2),
    *_of("sdxl", "EulerDiscrete", {}, negative="", steps=2),
    *_of("sdxl", "EulerDiscrete", {}, prompt="", steps=2, method={"guidance_rescale": 0.7},
         call={"guidance_rescale": 0.7}),
    *_of("sdxl", "EulerAncestralDiscrete", TRAILING, steps=1, guidance=0.0),
    *_of("sdxl", "EDMDPMSolverMultistep", EDM),
    *_of("sd3", FLOW, {"shift": 3.0, "stochastic_sampling": True}, steps=3),
    *_of("sd3", DPM, FLOW_DPM, steps=3),
    *_of("flux", FLOW, DEV),
    *_of("flux", FLOW, DEV, size=(40, 24), negative="rain", method={"true_cfg_scale": 3.0},
         call={"true_cfg_scale": 3.0}),
    *_of("flux", FLOW, DEV | {"stochastic_sampling": True}, steps=3),
    *_of("flux", DPM, FLOW_DPM | DYNAMIC, steps=3),
    *_of("flux_schnell", FLOW, {}, size=(24, 48)),
    *_of("z_image", FLOW, {"shift": 3.0}, negative="rain"),
    *_of("z_image", FLOW, {"shift": 6.0}, size=(24, 48), guidance=0.0, prompt=""),
    *_of("z_image", FLOW, {"shift": 3.0, "stochastic_sampling": True}, steps=3),
]  # fmt: skip
MORE = [
    *_of("sd1", DPM, {}, size=(24, 64), steps=8),
    *_of("sdxl", "EulerAncestralDiscrete", {}, size=(64, 16), steps=8),
    *_of("sd3", FLOW, {}, size=(40, 64), steps=8),
    *_of("sd2", "DDIM", V, size=(40, 24), steps=8),
    *_of("sd1", "DDIM", {}, {"steps_offset": 0}, LINSPACE, steps=20),
    *_of("sd1", "DDIM", LINSPACE, steps=7, method={"eta": 0.5}, call={"eta": 0.5}),
    *_of("sd1", "DDIM", {}, steps=8, method={"eta": 1.0}, call={"eta": 1.0}),
    *_of("sd2", "DDIM", V, {**V, **TRAILING, "rescale_betas_zero_snr": True}, steps=20),
    *_of("sd1", "PNDM", PNDM, PNDM | TRAILING, PNDM | LINSPACE, steps=20),
    *_of("sd1", "EulerDiscrete", {}, KARRAS, EXPONENTIAL, BETA, LINSPACE, steps=20),
    *_of("sd1", "EulerAncestralDiscrete", TRAILING, LINSPACE, V, steps=20),
    *_of("sd1", "HeunDiscrete", KARRAS, TRAILING, steps=10),
    *_of("sd1", "UniPCMultistep", KARRAS, {"solver_order": 3}, V, steps=20),
    *_of("sd1", "UniPCMultistep", *({"solver_order": order} for order in (4, 5, 8, 20)), steps=20),
    *_of("sd1", "UniPCMultistep", {"solver_order": 4, **KARRAS}, {"solver_order": 9}, steps=3),
    *_of("sd1", "UniPCMultistep", {"solver_order": 4, "lower_order_final": False,
         "final_sigmas_type": "sigma_min"}, steps=8),
    *_of("sd3", "UniPCMultistep", FLOW_DPM | {"solver_order": 6}, steps=12),
    *_of("sd1", DPM, {}, KARRAS, LU, LINSPACE, {"solver_order": 3}, {"solver_order": 1}, steps=20),
    *_of("sd1", DPM, {"algorithm_type": "sde-dpmsolver++", **KARRAS}, {"euler_at_final": True}),
    *_of("sd1", "UniPCMultistep", {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}),
    *_of("sd1", "DEISMultistep", KARRAS, TRAILING, {"solver_order": 3}, V, steps=20),
    *_of("sd1", "LMSDiscrete", KARRAS, TRAILING, LINSPACE, V, steps=20),
    *_of("sd1", "KDPM2Discrete", TRAILING, V, steps=10),
    *_of("sd1", "KDPM2AncestralDiscrete", LINSPACE, V, steps=10),
    *_of("sd1", "DPMSolverSinglestep", KARRAS, {"solver_order": 3}, {"solver_type": "heun"}, V),
    *_of("sd2", "LCM", V, guidance=1.5),
    *_of("sd1", "TCD", {}, guidance=0.0),
    *_of("sd1", "DDPM", V, {"variance_type": "fixed_large"}, steps=20),
    *_of("sd1_lcm", "DDIM", {}, guidance=0.5),
    *_of("sdxl", "EulerDiscrete", TRAILING, {}, steps=8, guidance=1.0),
    *_of("sdxl", "EulerDiscrete", {}, call={"clip_skip": 1}),
    *_of("sdxl", "DDIM", TRAILING, steps=8, guidance=0.0),
    *_of("sdxl", "EDMEuler", EDM, EDM | V, steps=20),
    *_of("sdxl", "EDMEuler", EDM | {"sigma_min": 0.5, "final_sigmas_type": "sigma_min"}),
    *_of("sdxl", "EDMDPMSolverMultistep", EDM | V, EDM | {"solver_type": "heun"}, steps=20),
    *_of("sd3", FLOW, {}, {"shift": 3.0, **KARRAS}, {"shift_terminal": 0.1}, steps=20),
    *_of("sd3", "FlowMatchHeunDiscrete", {"shift": 3.0}),
    *_of("sd3", "UniPCMultistep", FLOW_DPM),
    *_of("sd3", FLOW, {"shift": 3.0}, negative="", prompt=""),
    *_of("sd3", FLOW, {"shift": 3.0}, call={"clip_skip": 1}),
    *_of("sd3", FLOW, DYNAMIC, size=(36, 64)),
    *_of("flux", FLOW, DEV, size=(64, 20), steps=20, guidance=1.0),
    *_of("flux", FLOW, DEV | {"time_shift_type": "linear"}, DEV | KARRAS, negative=""),
    *_of("flux", FLOW, DEV, negative="", method={"true_cfg_scale": 2.0},
         call={"true_cfg_scale": 2.0}),
    *_of("flux", "UniPCMultistep", FLOW_DPM | DYNAMIC),
    *_of("flux_schnell", FLOW, {}, steps=1),
    *_of("flux_schnell", FLOW, {}, guidance=0.0, negative="rain"),
    *_of("z_image", FLOW, {"shift": 3.0}, {"shift": 6.0}, steps=20),
    *_of("z_image", FLOW, DEV, size=(64, 20), guidance=1.0),
    *_of("z_image", FLOW, {"shift": 3.0}, steps=9, guidance=0.0),
]  # fmt: skip


def _sd1_lcm(tokenizer):
    """A U-Net that was distilled to be given the scale of guidance."""
    pipe = FAMILIES["sd1"](tokenizer)
    unet = diffusers.UNet2DConditionModel.from_config(
        {**pipe.unet.config, "time_cond_proj_dim": 17}
    )
    return diffusers.StableDiffusionPipeline(**{**pipe.components, "unet": unet}, **UNFILTERED)


def _sd1_masked(tokenizer):
    """A text encoder that does not attend to what pads a prompt."""
    pipe = FAMILIES["sd1"](tokenizer)
    pipe.text_encoder.config.use_attention_mask = True
    return pipe


UNFILTERED = {"requires_safety_checker": False}
BUILDERS = FAMILIES | {"sd1_lcm": _sd1_lcm, "sd1_masked": _sd1_masked}


def _sensitive(pipe):
    """Weights with which another prompt makes another image."""
    # Where this release of diffusers looks for the last normalisation; transformers has moved it.
    is_clip = type(pipe.text_encoder).__name__.startswith("CLIP")
    if is_clip and not hasattr(pipe.text_encoder, "text_model"):
        pipe.text_encoder.__dict__["text_model"] = pipe.text_encoder
    pipe.set_progress_bar_config(disable=True)
    for name, part in pipe.components.items():
        if "text_encoder" in name:
            word_embeddings(part).weight.data *= 20
    return pipe


@pytest.fixture(scope="module")
def pipelines(tokenizer):
    """Pipeline and backbone of a family on the same modules, by its name; each is made once."""

    @cache
    def made(family, clip_skip=0):
        torch.manual_seed(0)
        pipe = _sensitive(BUILDERS[family](tokenizer))
        return pipe, BACKBONES[type(pipe).__name__](pipe, clip_skip=clip_skip)

    return made


def _with_scheduler(pipe, case):
    betas = BETAS if not case.scheduler.startswith(("FlowMatch", "EDM")) else {}
    # The pipelines of Stable Diffusion switch clipping off as they are made.
    clip = {"clip_sample": False} if case.scheduler.startswith("DD") else {}
    if "Singlestep" in case.scheduler:
        betas = {key: value for key, value in betas.items() if key != "steps_offset"}
    scheduler = getattr(diffusers, case.scheduler)(**betas | clip | case.config)
    pipe.scheduler = scheduler
    return {**scheduler.config, "_class_name": case.scheduler}


@torch.no_grad()
def _theirs(pipe, case, shape, seed, scale=1.0):
    """Latents of diffusers' own pipeline, from the noise of a seed times `scale`."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, *shape, generator=generator) * scale
    # SD3's pipeline draws the noise of its steps from torch's own generator.
    torch.manual_seed(seed)
    torch.randn(shape)
    more = {"max_sequence_length": 256} if case.family in ("sd3", "flux_schnell") else {}
    is_packed = case.family.startswith("flux")
    latents = pipe(
        case.prompt,
        negative_prompt=case.negative,
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        latents=packed(noise) if is_packed else noise,
        generator=generator,
        width=case.size[0],
        height=case.size[1],
        output_type="latent",
        **more,
        **case.call,
    ).images
    return unpacked(latents, *shape[1:]) if is_packed else latents


def _ours(backbone, case, guide, clip, seed):
    method = Method(steps=case.steps, timing="never", guidance_scale=case.guidance, **case.method)
    steps = []
    request = Request(case.prompt, Target.of("awe"), seed, case.negative, size=Size(*case.size))
    engine = MuseEngine(backbone, guide, clip, method)
    (sample,) = engine.run([request], lambda _, latents: steps.append(latents.clone()))
    assert sample.failure is None
    return steps[-1]


def _distance(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize(
    "case",
    [*QUICK, *(pytest.param(case, marks=pytest.mark.research) for case in MORE)],
    ids=str,
)
def test_latents_equal_those_of_the_familys_own_pipeline(
    pipelines, case, random_guide, random_clip, monkeypatch
):
    pipe, backbone = pipelines(case.family, case.call.get("clip_skip", 0))
    backbone.scheduler_config = _with_scheduler(pipe, case)
    ours = _ours(backbone, case, random_guide, random_clip, 7)
    shape = latent_shape_of(backbone, Size(*case.size))
    if case.family.startswith("flux"):
        # Its steps draw noise for packed latents. The same noise lies elsewhere in ours.
        def noise(*_, **__):
            return packed(torch.randn(1, *shape))

        monkeypatch.setattr(scheduling_flow_match_euler_discrete, "randn_tensor", noise)
    theirs = _theirs(pipe, case, shape, 7)
    assert _distance(ours * latent_scale(backbone.scheduler_config), theirs) < ALLOWED


@pytest.mark.research
@pytest.mark.parametrize("scheduler", ["DDIM", "EulerDiscrete", "HeunDiscrete", DPM, "LMSDiscrete"])
def test_a_network_that_predicts_the_image_is_as_near_as_rounding_allows(
    pipelines, scheduler, random_guide, random_clip
):
    """Their own latents move as far when the noise is rounded otherwise: by 5e-6 to 2e-5."""
    case = Case("sd1", f"{scheduler}Scheduler", {"prediction_type": "sample"})
    pipe, backbone = pipelines("sd1")
    backbone.scheduler_config = _with_scheduler(pipe, case)
    ours = _ours(backbone, case, random_guide, random_clip, 7)
    ours = ours * latent_scale(backbone.scheduler_config)
    theirs, rounded = (
        _theirs(pipe, case, backbone.latent_shape, 7, scale) for scale in (1.0, 1.0 + 2**-22)
    )
    assert _distance(ours, theirs) < min(4 * _distance(rounded, theirs), 1e-4)


@pytest.mark.research
@torch.no_grad()
def test_euler_from_no_signal_is_eulers_step_in_float64(pipelines, random_guide, random_clip):
    """diffusers takes it in float32, where levels of 4,096 and 14 leave 4e-5 of rounding."""
    case = Case("sd1", "EulerDiscreteScheduler", V | TRAILING | {"rescale_betas_zero_snr": True})
    pipe, backbone = pipelines("sd1")
    backbone.scheduler_config = _with_scheduler(pipe, case)
    ours = _ours(backbone, case, random_guide, random_clip, 7)
    ours = ours * latent_scale(backbone.scheduler_config)
    scheduler = pipe.scheduler
    scheduler.set_timesteps(case.steps)
    context = torch.cat(pipe.encode_prompt(case.prompt, "cpu", 1, True)[::-1])
    noise = torch.randn(1, *backbone.latent_shape, generator=torch.Generator().manual_seed(7))
    sigmas = scheduler.sigmas.double()
    latents = noise.double() * sigmas[0]
    for timestep, sigma, after in zip(scheduler.timesteps, sigmas, sigmas[1:], strict=False):
        scaled = (latents / (sigma**2 + 1) ** 0.5).float()
        plain, prompted = pipe.unet(torch.cat([scaled] * 2), timestep, context).sample.double()
        velocity = plain + case.guidance * (prompted - plain)
        clean = latents / (sigma**2 + 1) - velocity * sigma / (sigma**2 + 1) ** 0.5
        latents = latents + (latents - clean) / sigma * (after - sigma)
    assert _distance(ours.double(), latents) < ALLOWED


@pytest.mark.parametrize("family", ["sd1", "sdxl", "sd3", "flux", "z_image"])
def test_the_weights_are_sensitive(pipelines, family, random_guide, random_clip):
    """Or the test above would pass whatever is done with prompts and guidance."""
    _, backbone = pipelines(family)
    backbone.scheduler_config = pipelines(family)[0].scheduler.config
    scheduler = "DDIMScheduler" if family in ("sd1", "sdxl") else f"{FLOW}Scheduler"
    backbone.scheduler_config = {**backbone.scheduler_config, "_class_name": scheduler}
    method = {"true_cfg_scale": 3.0} if family == "flux" else {}
    cases = [
        Case(family, "", steps=3),
        Case(family, "", steps=3, prompt="fear of a cat"),
        Case(family, "", steps=3, negative="rain", method=method),
        Case(family, "", steps=3, guidance=1.0),
    ]
    made = [_ours(backbone, case, random_guide, random_clip, 7) for case in cases]
    for other in made[1:]:
        assert _distance(other, made[0]) > 1e-3


def test_a_vae_with_statistics_of_its_latents_decodes_and_encodes_as_theirs(tokenizer):
    """As Playground v2.5: EDM's noise levels, and latents normalised channel by channel."""
    torch.manual_seed(0)
    pipe = FAMILIES["sdxl"](tokenizer)
    pipe.set_progress_bar_config(disable=True)
    pipe.vae.register_to_config(
        latents_mean=[-1.6, 1.1, 3.0, -2.4], latents_std=[8.4, 5.9, 9.0, 5.2], scaling_factor=0.5
    )
    pipe.scheduler = diffusers.EDMEulerScheduler(**EDM)
    backbone = BACKBONES["StableDiffusionXLPipeline"](pipe)
    latents = torch.randn(1, *backbone.latent_shape, generator=torch.Generator().manual_seed(0))
    size = {"height": 32, "width": 32, "guidance_scale": 1.0, "num_inference_steps": 1}
    with torch.no_grad():
        theirs = pipe("a dog", latents=latents, output_type="latent", **size).images
        pictures = pipe("a dog", latents=latents, output_type="pt", **size).images
        ours = backbone.codec.decode(theirs / 0.5)
        assert float((ours.clamp(0, 1) - pictures).abs().max()) < 1e-5
        pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        mean = pipe.vae.encode(pixels * 2 - 1).latent_dist.mean
        spread = torch.tensor([8.4, 5.9, 9.0, 5.2]).view(1, -1, 1, 1)
        centred = mean - torch.tensor([-1.6, 1.1, 3.0, -2.4]).view(1, -1, 1, 1)
        encoded = backbone.codec.encode(pixels)
    assert torch.allclose(encoded * 0.5, centred * 0.5 / spread, atol=1e-5)


def test_tiles_of_the_vae_are_those_of_their_pipeline(tokenizer, tmp_path):
    """And differ from the whole by little; what fits into one tile is decoded as it was."""
    torch.manual_seed(0)
    pipe = FAMILIES["sd1"](tokenizer)
    pipe.set_progress_bar_config(disable=True)
    pipe.save_pretrained(tmp_path)
    whole, tiled = (load_backbone(tmp_path, vae_tiling=tiling).codec for tiling in (False, True))
    noise = torch.randn(1, 4, 24, 40, generator=torch.Generator().manual_seed(0))
    call = {"height": 48, "width": 80, "guidance_scale": 1.0, "num_inference_steps": 1}
    with torch.no_grad():
        latents = pipe("a dog", latents=noise, output_type="latent", **call).images
        pipe.vae.enable_tiling()
        theirs = pipe("a dog", latents=noise, output_type="pt", **call).images
        ours = tiled.decode(latents).clamp(0, 1)
        assert float((ours - theirs).abs().max()) < 1e-5
        assert 1e-4 < float((ours - whole.decode(latents).clamp(0, 1)).abs().mean()) < 0.1
        mean = pipe.vae.encode(theirs * 2 - 1).latent_dist.mean
        assert torch.allclose(tiled.encode(theirs), mean * 0.18215, atol=1e-6)
        small = latents[..., :16, :16]
        assert torch.equal(tiled.decode(small), whole.decode(small))
    # The guide's gradient passes through the tiles where there is no tiny decoder.
    leaf = latents.clone().requires_grad_()
    tiled.decode_draft(leaf).square().sum().backward()
    assert bool((leaf.grad.abs().amax(dim=(0, 1)) > 0).all())


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_model_whose_own_size_is_not_square(tokenizer, family, random_guide, random_clip):
    """As `sample_size: [16, 24]` in its configuration says: height and width of its latents."""
    torch.manual_seed(0)
    pipe = _sensitive(FAMILIES[family](tokenizer))
    pipe.unet.register_to_config(sample_size=[16, 24])
    backbone = BACKBONES[type(pipe).__name__](pipe)
    assert (backbone.latent_shape, backbone.sizes.own) == ((4, 16, 24), Size(48, 32))
    case = Case(family, "DDIMScheduler", steps=2, size=(48, 32))
    backbone.scheduler_config = _with_scheduler(pipe, case)
    method = Method(steps=2, timing="never", guidance_scale=case.guidance)
    latents = []
    engine = MuseEngine(backbone, random_guide, random_clip, method)
    request = Request(case.prompt, Target.of("awe"), 7)
    engine.run([request], lambda _, row: latents.append(row.clone()))
    assert _distance(latents[-1], _theirs(pipe, case, backbone.latent_shape, 7)) < ALLOWED
