"""Shared pieces: tiny random models with the real configuration classes, built once."""

import warnings

import pytest
import torch

torch.set_num_threads(2)
warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    from jobs.mini_models import build_tokenizer

    return build_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def tiny_stable_diffusion(tokenizer, dtype=torch.float32):
    """A Stable Diffusion of random weights, in the embedded model's sizes."""
    from diffusers import StableDiffusionPipeline

    from jobs import mini_models as build
    from muse.backbones.stable_diffusion import StableDiffusion

    torch.manual_seed(0)
    pipe = StableDiffusionPipeline(
        vae=build.build_vae(),
        text_encoder=build.build_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=build.build_unet(),
        scheduler=build.build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return StableDiffusion(pipe, dtype=dtype)


def random_resnet():
    """An emotion classifier of random weights."""
    from jobs.mini_models import build_classifier
    from muse.emotions import MIKELS

    torch.manual_seed(1)
    return build_classifier("resnet", list(MIKELS.labels)).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def random_backbone(tokenizer):
    return tiny_stable_diffusion(tokenizer)


@pytest.fixture(scope="session")
def random_guide():
    from muse.classifiers import FolderClassifier, Preprocessing
    from muse.emotions import MIKELS

    return FolderClassifier(random_resnet(), Preprocessing(64, [0.5] * 3, [0.5] * 3), MIKELS.labels, MIKELS)


@pytest.fixture(scope="session")
def random_clip(tokenizer):
    from jobs.mini_models import build_clip
    from muse.similarity import ClipSimilarity

    torch.manual_seed(2)
    return ClipSimilarity(build_clip(tokenizer), tokenizer, 64, [0.5] * 3, [0.5] * 3)
