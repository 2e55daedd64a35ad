"""Models of full size with random weights, to measure speed, which does not depend on the weights.

`sd15` is Stable Diffusion 1.5 at 512 pixels; at 1024, `sdxl` is Stable Diffusion XL, `sd35` Stable
Diffusion 3.5 medium and `flux` FLUX.1 dev (`jobs.benchmark.full_size.transformer_models`). Each has
a decoder of the TAESD family, a ResNet-50 as the guide and a CLIP ViT-B/32. `tiny` has the layers
of `sd15` at sizes for a test on a CPU.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    ResNetConfig,
    ResNetForImageClassification,
)

from jobs.benchmark.full_size.transformer_models import PIPES
from muse.classifiers import FolderClassifier, Preprocessing
from muse.classifiers.clip import ClipSimilarity
from muse.classifiers.image_steps import CentreCrop, ShortestEdge, Step
from muse.diffusion.backbones import FAMILIES, Backbone
from muse.diffusion.backbones.codec import Codec
from muse.emotions import MIKELS
from muse.mini import WEIGHTS

SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
HALVES = [0.5] * 3


@dataclass(frozen=True)
class Size:
    """Settings of every part by the names of its configuration class; defaults: `sd15`.

    Attributes:
        texts: of one text encoder, or of two.
        side: of the inputs of guide and CLIP, in pixels.
    """

    unet: dict[str, Any]
    texts: tuple[dict[str, Any], ...]
    vae: dict[str, Any] = field(default_factory=dict)
    tiny_vae: dict[str, Any] = field(default_factory=dict)
    guide: dict[str, Any] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    side: int = 224


def text_config(width: int, layers: int, heads: int, act: str) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "projection_dim": width,
        "hidden_act": act,
    }


CLIP_L = text_config(768, 12, 12, "quick_gelu")
SIZES = {
    "sd15": Size(
        {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}, (CLIP_L,)
    ),
    "sdxl": Size(
        {
            "sample_size": 128,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "block_out_channels": (320, 640, 1280),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "cross_attention_dim": 2048,
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        (CLIP_L, text_config(1280, 32, 20, "gelu")),
        vae={"scaling_factor": 0.13025},
    ),
    **{name: Size({}, (), tiny_vae={"latent_channels": 16}) for name in PIPES},
    "tiny": Size(
        {
            "sample_size": 8,
            "block_out_channels": (16, 16, 32, 32),
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "attention_head_dim": 2,
            "norm_num_groups": 8,
        },
        (text_config(32, 2, 2, "quick_gelu"),),
        vae={"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1, "norm_num_groups": 4},
        tiny_vae={"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4},
        guide={
            "embedding_size": 8,
            "hidden_sizes": [8, 16],
            "depths": [1, 1],
            "layer_type": "basic",
        },
        clip={
            "text_config": text_config(32, 1, 2, "quick_gelu"),
            "vision_config": text_config(32, 1, 2, "quick_gelu")
            | {"image_size": 64, "patch_size": 16},
            "projection_dim": 32,
        },
        side=64,
    ),
}


@dataclass(frozen=True)
class RandomModels:
    """The models of an engine. `exact` is the backbone without its tiny decoder."""

    backbone: Backbone
    exact: Backbone
    guide: FolderClassifier
    clip: ClipSimilarity


def build(name: str, device: torch.device, dtype: torch.dtype) -> RandomModels:
    """Models of that size with random weights of seed 0, initialised on the device for speed."""
    size = SIZES[name]
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(
        WEIGHTS / "diffusion" / "tokenizer", model_max_length=77
    )
    if name in PIPES:
        pipe = PIPES[name](tokenizer, device, dtype)
    else:
        pipe = _unet_pipe(size, tokenizer, device)
    with device:
        tiny_vae = AutoencoderTiny(**size.tiny_vae)
        guide = ResNetForImageClassification(ResNetConfig(num_labels=len(MIKELS), **size.guide))
        clip = CLIPModel(CLIPConfig(**size.clip))
    backbone: Backbone = FAMILIES[type(pipe).__name__](pipe, str(device), dtype, tiny_vae)
    exact = copy.copy(backbone)
    exact.codec = Codec(pipe.vae, None, device, dtype)
    preprocessing = Preprocessing(size.side, HALVES, HALVES)
    steps: list[Step] = [ShortestEdge(size.side), CentreCrop(size.side, size.side)]
    similar = Preprocessing(size.side, HALVES, HALVES, steps)
    return RandomModels(
        backbone,
        exact,
        FolderClassifier(guide, preprocessing, MIKELS.labels, MIKELS).to(device),
        ClipSimilarity(clip, tokenizer, similar).to(device),
    )


def _unet_pipe(size: Size, tokenizer: CLIPTokenizer, device: torch.device) -> Any:
    """The pipeline of a model with a U-Net, and one text encoder or two."""
    # The ids are those of the embedded tokenizer, but the table has the size of CLIP's.
    special_ids = {
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": 1,
    }
    parts: dict[str, Any] = {"tokenizer": tokenizer}
    parts["scheduler"] = DDIMScheduler(**SCHEDULER, clip_sample=False)
    with device:
        parts["unet"] = UNet2DConditionModel(**size.unet)
        parts["vae"] = AutoencoderKL(
            **{
                "down_block_types": ("DownEncoderBlock2D",) * 4,
                "up_block_types": ("UpDecoderBlock2D",) * 4,
                "block_out_channels": (128, 256, 512, 512),
                "layers_per_block": 2,
                "latent_channels": 4,
                "sample_size": 8 * size.unet["sample_size"],
                **size.vae,
            }
        )
        parts["text_encoder"] = CLIPTextModel(CLIPTextConfig(**size.texts[0], **special_ids))
        if len(size.texts) > 1:
            config = CLIPTextConfig(**size.texts[1], **special_ids)
            parts["text_encoder_2"] = CLIPTextModelWithProjection(config)
    if len(size.texts) > 1:
        return StableDiffusionXLPipeline(**parts, tokenizer_2=tokenizer)
    unused = {"safety_checker": None, "feature_extractor": None}
    return StableDiffusionPipeline(**parts, **unused, requires_safety_checker=False)
