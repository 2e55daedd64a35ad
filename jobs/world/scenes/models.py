"""The diffusion model of the world of scenes: its VAE shrinks a picture eight times."""

from __future__ import annotations

from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

from jobs.world.models import TEXT_WIDTH
from muse.mini.world.render import SIZE

LATENT_SIDE, LATENT_CHANNELS, TEXT_LENGTH = SIZE // 8, 8, 40


def build_vae() -> AutoencoderKL:
    """Narrow where the picture is large: the full-resolution layers would cost the most time."""
    widths = (16, 32, 64, 96)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=LATENT_CHANNELS,
        sample_size=SIZE,
        mid_block_add_attention=False,
    )


def build_tiny_vae() -> AutoencoderTiny:
    """Most of its blocks are at low resolution, none at full size. Its encoder is never used."""
    blocks = (3, 2, 1, 0)
    return AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(4,) * len(blocks),
        num_encoder_blocks=(1,) * len(blocks),
        decoder_block_out_channels=(24,) * len(blocks),
        num_decoder_blocks=blocks,
    )


def build_unet() -> UNet2DConditionModel:
    """Wide at full resolution, where lines and faces are; attention from half of it down.

    Attention at full resolution would cost a third of the time.
    """
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(128, 128, 192),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )
