"""Classifier folders of every kind, saved as users have them."""

import json
import shutil
from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file

from muse.emotions import MIKELS
from muse.mini import WEIGHTS


@pytest.fixture
def pixels():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def _write_spec(folder, **settings):
    folder.mkdir(exist_ok=True)
    (folder / "classifier.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def write_spec():
    """A function that writes a folder with these settings in its classifier.json."""
    return _write_spec


@pytest.fixture
def multi_label_copy():
    """A function that copies the guide as a multi-label classifier."""

    def copy(folder):
        shutil.copytree(WEIGHTS / "guide", folder)
        config = json.loads((folder / "config.json").read_text())
        config["problem_type"] = "multi_label_classification"
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return copy


@pytest.fixture
def headed(tmp_path):
    """A head of three layers on the features of the embedded CLIP."""
    torch.manual_seed(1)
    sizes = [128, 32, 16, 8]
    tensors = {}
    for i, (n, m) in enumerate(pairwise(sizes)):
        tensors |= {
            f"layers.{2 * i}.weight": torch.randn(m, n),
            f"layers.{2 * i}.bias": torch.randn(m),
        }
    folder = _write_spec(
        tmp_path / "headed",
        kind="head",
        backbone=str(WEIGHTS / "clip"),
        head="head.safetensors",
        labels=list(MIKELS.labels),
    )
    save_file(tensors, folder / "head.safetensors")
    return folder


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    """A SigLIP folder: its real classes, a tokenizer of a few words, random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipModel

    folder = tmp_path_factory.mktemp("siglip")
    words = ["<pad>", "<unk>", "a", "picture", "evoking", *MIKELS.labels]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    small = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = {**small, "vocab_size": len(words), "max_position_embeddings": 12, "projection_size": 32}
    torch.manual_seed(0)
    SiglipModel(
        SiglipConfig(text_config=text, vision_config={**small, "image_size": 32, "patch_size": 8})
    ).save_pretrained(folder)
    settings = {
        "size": {"height": 32, "width": 32},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder
