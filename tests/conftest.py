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


@pytest.fixture(scope="session")
def random_backbone(tokenizer):
    """A Stable Diffusion of random weights, in float64 where exactness is tested."""
    from diffusers import StableDiffusionPipeline

    from jobs import mini_models as build
    from muse.backbone import StableDiffusion

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
    return StableDiffusion(pipe)


@pytest.fixture(scope="session")
def random_guide():
    from jobs.mini_models import build_classifier
    from muse.classifiers import FolderClassifier, Preprocessing
    from muse.emotions import MIKELS

    torch.manual_seed(1)
    looks = Preprocessing(64, [0.5] * 3, [0.5] * 3)
    return FolderClassifier(build_classifier("resnet", list(MIKELS.labels)), looks, MIKELS.labels, MIKELS)
