"""The architectures of the embedded model: real configuration classes, small sizes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from tokenizers import pre_tokenizers
from torch import nn
from transformers import (
    AutoModelForImageClassification,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    PoolFormerConfig,
    PretrainedConfig,
    ResNetConfig,
    SwinConfig,
)

from muse.mini.vocabulary import sentences
from muse.mini.world.render import SIZE

LATENT_SIDE, LATENT_CHANNELS = SIZE // 16, 16
"""The VAE shrinks a picture sixteen times."""
TEXT_WIDTH, TEXT_LENGTH = 128, 40
CLASSIFIER_SIDE = 64
"""Side of the pictures that classifiers see, pixels."""


def learn_merges(sentences: Sequence[str]) -> list[tuple[str, str]]:
    """Byte-pair merges (Sennrich et al., arXiv 1508.07909) until every word is one token.

    Ties are broken by the pair itself: the trainer of `tokenizers` does so differently in each run,
    and a resumed training would then continue under other token ids.
    """
    counts = Counter(re.findall(r"\w+|[^\w\s]+", " ".join(sentences).lower()))
    pieces = {word: [*word[:-1], word[-1] + "</w>"] for word in counts}
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            joined: list[str] = []
            for part in parts:
                if joined and (joined[-1], part) == best:
                    joined[-1] += part
                else:
                    joined.append(part)
            pieces[word] = joined


def build_tokenizer(folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer that merges each word of the world into one token; others become bytes.

    Args:
        folder: where it is kept; one that is there is loaded.
    """
    if not (folder / "tokenizer.json").exists():
        merges = learn_merges(sentences())
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokens = [
            *letters,
            *(letter + "</w>" for letter in letters),
            *("".join(pair) for pair in merges),
        ]
        tokens += ["<|startoftext|>", "<|endoftext|>"]
        CLIPTokenizer(
            {token: i for i, token in enumerate(dict.fromkeys(tokens))},
            merges,
            model_max_length=TEXT_LENGTH,
            pad_token="<|endoftext|>",
        ).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def build_vae() -> AutoencoderKL:
    """Narrow where the picture is large: the full-resolution layers would cost the most time."""
    widths = (16, 32, 64, 128, 192)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=LATENT_CHANNELS,
        sample_size=SIZE,
    )


def build_tiny_vae() -> AutoencoderTiny:
    """Most of its blocks are at low resolution, none at full size. Its encoder is never used."""
    blocks = (4, 3, 2, 1, 0)
    return AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(4,) * len(blocks),
        num_encoder_blocks=(1,) * len(blocks),
        decoder_block_out_channels=(24,) * len(blocks),
        num_decoder_blocks=blocks,
    )


def build_unet() -> UNet2DConditionModel:
    """Attention everywhere: a latent stands for 16 x 16 pixels, so there are only 64."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        block_out_channels=(192, 192),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    """Velocity prediction down to a signal of zero (Lin et al., arXiv 2305.08891).

    Light and palette are the coarsest scale of a picture; a schedule that ends above zero signal
    leaks them into the noise, and no prompt could then change them.
    """
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def _text_config(tokenizer: CLIPTokenizer, layers: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(_text_config(tokenizer, layers=3))


def build_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    vision = {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": CLASSIFIER_SIDE,
        "patch_size": 8,
        "projection_dim": TEXT_WIDTH,
    }
    text = _text_config(tokenizer, layers=3).to_dict()
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=TEXT_WIDTH))


def build_classifier(kind: str, labels: list[str]) -> nn.Module:
    """A `resnet` (convolutions), `poolformer` (pooling and MLPs) or `swin` (windowed attention)."""
    names: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
    }
    config: PretrainedConfig
    if kind == "resnet":
        config = ResNetConfig(
            embedding_size=24,
            hidden_sizes=[32, 64, 96],
            depths=[1, 2, 1],
            layer_type="basic",
            **names,
        )
    elif kind == "poolformer":
        config = PoolFormerConfig(
            patch_sizes=[7, 3, 3],
            strides=[4, 2, 2],
            padding=[2, 1, 1],
            hidden_sizes=[48, 96, 128],
            depths=[1, 2, 1],
            num_encoder_blocks=3,
            **names,
        )
    elif kind == "swin":
        config = SwinConfig(
            image_size=CLASSIFIER_SIDE,
            patch_size=4,
            embed_dim=32,
            depths=[1, 2, 2],
            num_heads=[2, 4, 8],
            window_size=4,
            **names,
        )
    else:
        raise ValueError(f"unknown kind {kind!r}")
    return AutoModelForImageClassification.from_config(config)


def count(module: nn.Module) -> float:
    """Millions of parameters."""
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def freeze(module: nn.Module) -> nn.Module:
    return module.requires_grad_(False).eval()


def ema_update(average: nn.Module, live: nn.Module, decay: float) -> None:
    """Exponential moving average of weights; buffers are copied."""
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(live.parameters()), 1 - decay)
        for kept, new in zip(average.buffers(), live.buffers(), strict=True):
            kept.copy_(new)
