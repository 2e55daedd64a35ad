"""Folders that are given as a CLIP and are none, or not a whole one."""

import json
import re
import shutil

import pytest
from safetensors.torch import load_file, save_file

from muse.classifiers.clip import ClipSimilarity
from muse.classifiers.load import check_folder, load_classifier
from muse.classifiers.spec import read_spec
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.locate import check_models


@pytest.fixture
def clip(tmp_path):
    return shutil.copytree(WEIGHTS / "clip", tmp_path / "clip")


def _lose_text_encoder(clip):
    tensors = load_file(clip / "model.safetensors")
    kept = {name: t for name, t in tensors.items() if not name.startswith("text_model.encoder.")}
    save_file(kept, clip / "model.safetensors", {"format": "pt"})


def _lose_vocabulary(clip):
    (clip / "tokenizer.json").unlink()


def _damage_vocabulary(clip):
    file = clip / "tokenizer.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"pre_tokenizer": {"type": "Unheard"}}))


BROKEN = [
    (_lose_text_encoder, "clip has no trained weights for text_model.encoder.*copy it again"),
    (_lose_vocabulary, r"clip/ has no vocabulary \(tokenizer.json, or .*copy the tokenizer again"),
]


@pytest.mark.parametrize(("spoil", "message"), BROKEN)
def test_a_clip_without_weights_or_vocabulary_is_refused_in_every_role(clip, spoil, message):
    spoil(clip)
    for load in (ClipSimilarity.from_pretrained, load_classifier):
        with pytest.raises(ValueError, match=message):
            load(clip)
    for spec in (None, read_spec(clip)):
        with pytest.raises(ValueError, match=message):
            check_folder(clip, spec)


@pytest.mark.parametrize("role", ["similarity", "content_judge"])
def test_plan_refuses_a_similarity_model_by_its_role(clip, role):
    _lose_vocabulary(clip)
    with pytest.raises(UserError, match=f"{role}.* has no vocabulary"):
        check_models(Config(**{role: str(clip)}))


def test_a_model_of_another_type_is_no_clip(tmp_path):
    guide = WEIGHTS / "guide"
    message = f"{re.escape(str(guide))} is no whole CLIP: the model_type .* is 'resnet', not clip;"
    with pytest.raises(ValueError, match=message):
        ClipSimilarity.from_pretrained(guide)
    with pytest.raises(ValueError, match=message):
        check_folder(guide, None)
    with pytest.raises(ValueError, match=r"there is no config\.json"):
        ClipSimilarity.from_pretrained(tmp_path)


def test_a_tokenizer_that_cannot_be_read_is_told_with_its_folder(clip):
    _damage_vocabulary(clip)
    with pytest.raises(ValueError, match=r"the tokenizer in .*clip cannot be read \(.*copy it"):
        ClipSimilarity.from_pretrained(clip)


def test_whole_models_of_either_type_pass(clip, siglip):
    check_folder(clip, None)
    check_folder(clip, read_spec(clip))
    check_folder(siglip, read_spec(siglip))
