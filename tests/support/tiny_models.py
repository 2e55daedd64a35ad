"""Models of random weights in the small sizes of the embedded model."""

import torch


def tiny_stable_diffusion(tokenizer, dtype=torch.float32):
    """A Stable Diffusion backbone."""
    from diffusers import StableDiffusionPipeline

    from jobs.world import models as build
    from muse.diffusion.backbones.stable_diffusion import StableDiffusion

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
    """A ResNet that classifies Mikels' emotions."""
    from jobs.world.models import build_classifier
    from muse.emotions import MIKELS

    torch.manual_seed(1)
    return build_classifier("resnet", list(MIKELS.labels)).eval().requires_grad_(False)


def random_classifier():
    """The same ResNet as the classifier of a folder, with its preprocessing."""
    from muse.classifiers import FolderClassifier, Preprocessing
    from muse.emotions import MIKELS

    preprocessing = Preprocessing(64, [0.5] * 3, [0.5] * 3)
    return FolderClassifier(random_resnet(), preprocessing, MIKELS.labels, MIKELS)


def random_clip_similarity(tokenizer):
    """A CLIP that compares images with prompts."""
    from jobs.world.models import build_clip
    from muse.classifiers import Preprocessing
    from muse.classifiers.clip import ClipSimilarity
    from muse.classifiers.image_steps import CentreCrop, ShortestEdge

    torch.manual_seed(2)
    steps = [ShortestEdge(64), CentreCrop(64, 64)]
    preprocessing = Preprocessing(64, [0.5] * 3, [0.5] * 3, steps)
    return ClipSimilarity(build_clip(tokenizer), tokenizer, preprocessing)
