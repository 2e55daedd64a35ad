"""Stable Diffusion 1.5 at its full size, with random weights: what only size can break."""

import copy

import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from muse.diffusion.backbones.stable_diffusion import StableDiffusion
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.request import Request


def stable_diffusion_15(tokenizer, cells):
    """The published model's configurations, but for the vocabulary, which is the tests' own."""
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = 77
    unet = UNet2DConditionModel(
        sample_size=cells,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        block_out_channels=(320, 640, 1280, 1280),
        layers_per_block=2,
        cross_attention_dim=768,
        attention_head_dim=8,
        norm_num_groups=32,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=32,
        sample_size=512,
        scaling_factor=0.18215,
    )
    text = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=768,
        intermediate_size=3072,
        projection_dim=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
    )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            skip_prk_steps=True,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.mark.research
@pytest.mark.timeout(3600)
def test_stable_diffusion_15_at_full_size(tokenizer, random_guide, random_clip, monkeypatch):
    """One request of two steps; on a GPU at 512 px, else at 128 px (39 s of a core, 5.6 GB)."""
    torch.manual_seed(0)
    device, cells = ("cuda", 64) if torch.cuda.is_available() else ("cpu", 16)
    backbone = StableDiffusion(stable_diffusion_15(tokenizer, cells), device)
    guide, clip = (copy.deepcopy(part).to(device) for part in (random_guide, random_clip))
    parts = [backbone.network, backbone.codec.vae, *backbone.text.models]
    assert sum(value.numel() for value in backbone.network.parameters()) == 859_520_964, (
        "as published"
    )
    assert sum(value.numel() for value in backbone.codec.vae.parameters()) == 83_653_863
    assert sum(value.numel() for value in backbone.text.models[0].parameters()) == 123_060_480

    def sums():
        return [float(value.double().sum()) for part in parts for value in part.parameters()]

    before, tokens, embed = sums(), [], backbone.embed

    def watched(prompts, given=None):
        if given is not None:
            tokens.append(given.detach().clone())
        return embed(prompts, given)

    monkeypatch.setattr(backbone, "embed", watched)
    method = Method(
        steps=2, max_updates_per_step=2, timing="fixed", timing_level=0.0, guidance_end=1.0
    )
    request = Request("a dog in a forest", Target.of("awe"), 1)
    (sample,) = MuseEngine(backbone, guide, clip, method).run([request])
    assert sample.failure is None
    assert sample.pixels.shape == (8 * cells, 8 * cells, 3)
    assert sample.trace.updates == 4
    assert all(0 < loss < 100 for loss in sample.trace.loss)
    moved = (tokens[-1] - tokens[0]) / backbone.text.scale
    assert 0.05 < float(moved.abs().mean()) < 3, "in units of a word embedding's size"
    assert sums() == before
    assert all(value.grad is None for part in parts for value in part.parameters())
