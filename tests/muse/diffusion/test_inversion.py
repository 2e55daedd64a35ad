import torch

from muse.diffusion.denoising import DenoisingState, denoise
from muse.diffusion.inversion import ddim_invert
from muse.diffusion.schedule.schedules import make_schedule


@torch.no_grad()
def test_inversion_leads_back_at_guidance_one(random_backbone):
    """With more steps DDIM and its inverse approach the same path: the error falls."""
    backbone = random_backbone
    torch.manual_seed(5)
    clean = torch.randn(1, *backbone.latent_shape) * 0.5
    context = backbone.embed(backbone.text.plain(["a dog in a forest"]))
    errors = []
    for steps in (10, 40):
        schedule = make_schedule(backbone.scheduler_config, steps)
        path = ddim_invert(backbone, schedule, clean, context, steps // 4)
        assert len(path) == steps - steps // 4 + 1
        latents = denoise(
            DenoisingState.start(schedule, path[0], steps // 4),
            lambda state: backbone.predict(state.latents, state.timesteps, context),
        )
        errors.append(float((latents - clean).square().mean().sqrt() / clean.std()))
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.1


@torch.no_grad()
def test_what_only_corrects_a_step_is_not_inverted(random_backbone, monkeypatch):
    backbone, asked = random_backbone, []
    predict = backbone.predict

    def counting(latents, timesteps, conditioning):
        asked.append(float(timesteps[0]))
        return predict(latents, timesteps, conditioning)

    monkeypatch.setattr(backbone, "predict", counting)
    clean = torch.randn(1, *backbone.latent_shape, generator=torch.Generator().manual_seed(5))
    context = backbone.embed(backbone.text.plain(["a dog in a forest"]))
    config = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}
    heun = make_schedule(config, 4, "heun")
    path = ddim_invert(backbone, heun, clean, context, 2)
    assert len(path) == len(heun) - 2 + 1
    assert len(asked) == 3
    assert torch.equal(path[1], path[2])
