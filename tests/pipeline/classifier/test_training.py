"""Training: the new head has the taxonomy's size, and either way of training lowers the loss."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers.utils import logging

from muse.classifiers.preprocessing import Preprocessing
from muse.emotions.taxonomies import MIKELS, load_taxonomy
from muse.mini import WEIGHTS
from pipeline.classifier.training import Fit, Images, build, predict, train_head, tune
from pipeline.errors import UserError

BACKBONE = WEIGHTS / "place"
ROWS = np.arange(16)


@pytest.fixture(scope="module")
def preprocessing():
    return Preprocessing.from_pretrained(BACKBONE)


@pytest.fixture(scope="module")
def images(preprocessing):
    """Two images an emotion, each emotion of a grey of its own, with noise."""
    draw = np.random.default_rng(0)
    emotions = np.repeat(np.arange(8), 2)
    shape = (16, 3, preprocessing.side, preprocessing.side)
    pixels = emotions[:, None, None, None] * 30 + draw.integers(0, 20, shape)
    return Images(pixels.astype(np.uint8), emotions)


def _loss(model, preprocessing, images) -> float:
    logits = predict(model, preprocessing, images, ROWS)
    return float(F.cross_entropy(logits, torch.from_numpy(images.emotions)))


@pytest.mark.parametrize("name", ["mikels-8", "emotion6"])
def test_the_head_has_a_logit_for_each_emotion_by_name(name, preprocessing, images):
    taxonomy = load_taxonomy(name)
    logging.set_verbosity_info()
    try:
        model = build(BACKBONE, taxonomy)
        assert logging.get_verbosity() == logging.INFO, "as it was before"
    finally:
        logging.set_verbosity_warning()
    assert tuple(model.config.id2label.values()) == taxonomy.labels
    assert predict(model.eval(), preprocessing, images, ROWS).shape == (16, len(taxonomy))


@pytest.mark.parametrize(
    ("train", "settings"),
    [
        (train_head, {"epochs": 30}),
        (train_head, {"epochs": 30, "early": 0.5}),
        (tune, {"epochs": 6, "rate": 3e-3, "fine_tune": True}),
    ],
)
def test_training_lowers_the_loss_and_is_reproducible(train, settings, preprocessing, images):
    losses, progress = [], []
    for _ in range(2):
        torch.manual_seed(0)
        model = build(BACKBONE, MIKELS).eval()
        before = _loss(model, preprocessing, images)
        fit = Fit(backbone=str(BACKBONE), batch_size=8, **settings)
        train(model, preprocessing, images, ROWS, fit, progress.append)
        losses.append(_loss(model, preprocessing, images))
    assert losses[0] < before - 0.1
    assert losses[0] == losses[1]
    assert progress[-1].startswith(f"epoch {settings['epochs']} of {settings['epochs']}: loss ")


def test_a_model_that_is_no_classifier_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "clip_text_model"}')
    with pytest.raises(UserError, match="cannot be made a classifier"):
        build(tmp_path, MIKELS)
