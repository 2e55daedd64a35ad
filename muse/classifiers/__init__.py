"""Differentiable image-emotion classifiers with their own preprocessing: pixels in, logits out."""

from muse.classifiers.base import EmotionClassifier, ImageClassifier
from muse.classifiers.ensemble import EnsembleClassifier
from muse.classifiers.folder import FolderClassifier, load_image_model
from muse.classifiers.head import HeadClassifier
from muse.classifiers.image_steps import resize
from muse.classifiers.load import load_classifier
from muse.classifiers.preprocessing import Preprocessing
from muse.classifiers.zero_shot import ZeroShotClassifier

__all__ = [
    "EmotionClassifier",
    "EnsembleClassifier",
    "FolderClassifier",
    "HeadClassifier",
    "ImageClassifier",
    "Preprocessing",
    "ZeroShotClassifier",
    "load_classifier",
    "load_image_model",
    "resize",
]
