"""Training a head leaves the rest of the model as it is, learns, and is the same again."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from muse.classifiers import Preprocessing
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from pipeline.classifier.training import Fit, Images, build, train_head
from pipeline.errors import UserError

SIDE = 32


@pytest.fixture
def images() -> Images:
    """Eight plain colours, each the class of an emotion, with some noise."""
    rng = np.random.default_rng(0)
    emotions = np.arange(64) % 8
    colours = rng.integers(0, 256, (8, 3, 1, 1))
    noise = rng.integers(-8, 9, (64, 3, SIDE, SIDE))
    pixels = (colours[emotions] + noise).clip(0, 255).astype(np.uint8)
    return Images(pixels, emotions.astype(np.int64))


def trained(images: Images, **settings) -> tuple[torch.nn.Module, list[str]]:
    torch.manual_seed(0)
    model, progress = build(WEIGHTS / "place", MIKELS), []
    fit = Fit(backbone="b", epochs=20, batch_size=16, **settings)
    preprocessing = Preprocessing(SIDE, [0.5] * 3, [0.5] * 3)
    train_head(model, preprocessing, images, np.arange(64), fit, progress.append)
    return model, progress


def test_only_the_head_changes_and_it_learns(images):
    model, progress = trained(images)
    before = build(WEIGHTS / "place", MIKELS).state_dict()
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed
    assert all(name.startswith("classifier") for name in changed)
    with torch.inference_mode():
        logits = model(pixel_values=images.batch(np.arange(64)) * 2 - 1).logits
    assert (logits.argmax(1).numpy() == images.emotions).mean() > 0.9
    assert progress[-1].startswith("epoch 20 of 20: loss ")


def test_the_same_seed_gives_the_same_head(images):
    one, again, other = (trained(images, seed=seed)[0].classifier for seed in (1, 1, 2))
    heads = [torch.cat([p.flatten() for p in head.parameters()]) for head in (one, again, other)]
    assert heads[0].equal(heads[1])
    assert not heads[0].equal(heads[2])


def test_epochs_and_rate_depend_on_what_is_trained():
    head, whole = Fit(backbone="b"), Fit(backbone="b", fine_tune=True)
    assert (head.passes, head.peak) == (60, 1e-2)
    assert (whole.passes, whole.peak) == (10, 1e-4)
    with pytest.raises(ValidationError, match="backbone is not given"):
        Fit()


def test_what_is_no_image_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(UserError, match="cannot be made a classifier"):
        build(tmp_path, MIKELS)
