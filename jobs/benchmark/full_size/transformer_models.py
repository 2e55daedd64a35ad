"""Diffusion transformers of full size with random weights: Stable Diffusion 3.5 medium and FLUX.1.

Their shapes are those of the published configurations: `stabilityai/stable-diffusion-3.5-medium`,
`black-forest-labs/FLUX.1-dev` (`transformer/`, `vae/`, `text_encoder*/config.json`) and
`google/t5-v1_1-xxl`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
)

SD35_MEDIUM = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 384,
    "dual_attention_layers": tuple(range(13)),
    "qk_norm": "rms_norm",
}
FLUX_DEV = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
}
T5_XXL = {
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
LATENT_CHANNELS = 16


def clip_config(
    width: int, layers: int, heads: int, act: str, tokenizer: CLIPTokenizer
) -> CLIPTextConfig:
    """A CLIP text encoder; the ids of the markers are those of the tokenizer."""
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        hidden_act=act,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=1,
    )


def vae_of(scaling: float, shift: float) -> AutoencoderKL:
    """The VAE of both, whose latents have 16 channels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=LATENT_CHANNELS,
        sample_size=1024,
        scaling_factor=scaling,
        shift_factor=shift,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


@contextmanager
def _built_in(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Make weights on a device in that dtype: in float32 FLUX alone would be 48 GB."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)


def sd35(tokenizer: CLIPTokenizer, device: torch.device, dtype: torch.dtype) -> Any:
    """Stable Diffusion 3.5 medium; one tokenizer serves all encoders."""
    first = clip_config(768, 12, 12, "quick_gelu", tokenizer)
    second = clip_config(1280, 32, 20, "gelu", tokenizer)
    with _built_in(device, dtype):
        return StableDiffusion3Pipeline(
            transformer=SD3Transformer2DModel(**SD35_MEDIUM),
            vae=vae_of(1.5305, 0.0609),
            text_encoder=CLIPTextModelWithProjection(first),
            text_encoder_2=CLIPTextModelWithProjection(second),
            text_encoder_3=T5EncoderModel(T5Config(**T5_XXL)),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            tokenizer_3=tokenizer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        )


def flux(tokenizer: CLIPTokenizer, device: torch.device, dtype: torch.dtype) -> Any:
    """FLUX.1 dev; one tokenizer serves both encoders."""
    with _built_in(device, dtype):
        return FluxPipeline(
            transformer=FluxTransformer2DModel(**FLUX_DEV),
            vae=vae_of(0.3611, 0.1159),
            text_encoder=CLIPTextModel(clip_config(768, 12, 12, "quick_gelu", tokenizer)),
            text_encoder_2=T5EncoderModel(T5Config(**T5_XXL)),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        )


PIPES: dict[str, Callable[[CLIPTokenizer, torch.device, torch.dtype], Any]] = {
    "sd35": sd35,
    "flux": flux,
}
