"""Every source of classifiers: small random models of the real classes, saved as users have them."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from muse.classifiers import Preprocessing, load_classifier
from muse.classifiers.early import early_look
from muse.classifiers.spec import read_source
from muse.emotions import MIKELS
from muse.emotions.taxonomies import load_taxonomy
from muse.mini import WEIGHTS


@pytest.fixture
def pixels():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


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


def _describe(folder, **settings):
    folder.mkdir(exist_ok=True)
    (folder / "classifier.json").write_text(json.dumps(settings))
    return folder


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
    folder = _describe(
        tmp_path / "headed",
        kind="head",
        backbone=str(WEIGHTS / "clip"),
        head="head.safetensors",
        labels=list(MIKELS.labels),
    )
    save_file(tensors, folder / "head.safetensors")
    return folder


def _is_sound(classifier, pixels):
    """Differentiable, batched, float32, and a row's odds are its own."""
    leaf = pixels.clone().requires_grad_(True)
    log_p = classifier.probs(leaf).log_p
    assert log_p.shape == (3, len(classifier.taxonomy))
    assert log_p.dtype == torch.float32
    (gradient,) = torch.autograd.grad(log_p[:, 0].sum(), leaf)
    assert (gradient.abs().amax((1, 2, 3)) > 0).all()
    assert torch.allclose(classifier.probs(pixels[1:2]).log_p[0], log_p[1], atol=1e-4)
    assert not any(weight.requires_grad for weight in classifier.parameters())


def test_every_source_keeps_the_protocol(siglip, headed, tmp_path, pixels):
    both = _describe(
        tmp_path / "both", kind="ensemble", members=[str(WEIGHTS / "guide"), "../headed"]
    )
    for folder in (WEIGHTS / "guide", WEIGHTS / "clip", siglip, headed, both):
        _is_sound(load_classifier(folder), pixels)
    _is_sound(load_classifier(siglip, load_taxonomy("emotion6")), pixels)


def test_an_ensemble_is_the_geometric_mean_of_its_members(tmp_path, pixels):
    members = [WEIGHTS / "guide", WEIGHTS / "judge"]
    both = load_classifier(
        _describe(tmp_path / "both", kind="ensemble", members=list(map(str, members)))
    )
    product = torch.ones(3, 8)
    for member in members:
        product *= load_classifier(member).probs(pixels).p.sqrt()
    assert torch.allclose(both.probs(pixels).p, product / product.sum(-1, keepdim=True), atol=1e-5)


def test_zero_shot_prefers_the_emotion_whose_prompt_is_the_images(tmp_path):
    """Prompts of the embedded world's own words: the CLIP that was trained on it tells its emotions apart."""
    from random import Random

    from muse.mini.world.scenes import factor_prompt, render, sample_scene

    rng = Random(3)
    told = {
        e: [factor_prompt(sample_scene(rng, "beach", "dog", e)) for _ in range(6)]
        for e in MIKELS.labels
    }
    folder = _describe(
        tmp_path / "told", kind="zero-shot", model=str(WEIGHTS / "clip"), prompts=told
    )
    scenes = [sample_scene(rng, "beach", "dog", MIKELS.labels[i % 8]) for i in range(80)]
    stack = torch.stack(
        [torch.from_numpy(np.array(render(s))).permute(2, 0, 1).float() / 255 for s in scenes]
    )
    seen = load_classifier(folder).probs(stack).p.argmax(-1)
    right = (seen == torch.arange(80) % 8).float().mean()
    # Chance is 1/8; the deviation of 80 draws at one half is 6 points.
    assert right >= 0.35, right


def test_several_labels_add_up_and_one_left_out_takes_its_share_away(tmp_path, pixels):
    folder = tmp_path / "renamed"
    shutil.copytree(WEIGHTS / "guide", folder)
    config = json.loads((folder / "config.json").read_text())
    own = ["joy", "glee", "blur", "surprise", "anger", "disgust", "fear", "sadness"]
    config["id2label"] = dict(enumerate(own))
    config["label2id"] = {label: i for i, label in enumerate(own)}
    (folder / "config.json").write_text(json.dumps(config))
    (tmp_path / "moods.toml").write_text(
        'name = "moods"\nlabels = ["sadness", "fear", "joy", "surprise", "anger", "disgust"]\n'
        'polarity = [-1, -1, 1, 0, -1, -1]\nwheel = ["joy", "fear", "sadness"]\n'
    )
    moods = load_taxonomy(str(tmp_path / "moods.toml"))
    p = load_classifier(WEIGHTS / "guide").probs(pixels).p
    q = load_classifier(folder, moods, {"glee": "joy", "blur": ""}).probs(pixels).p
    rest = 1 - p[:, 2]
    assert torch.allclose(q[:, 2], (p[:, 0] + p[:, 1]) / rest, atol=1e-5)
    assert torch.allclose(q[:, 0], p[:, 7] / rest, atol=1e-5)
    with pytest.raises(
        ValueError, match=r"joy, glee, blur.*are not those of moods.*say in label_map"
    ):
        load_classifier(folder, moods)


def test_a_temperature_is_applied(tmp_path, pixels):
    shutil.copytree(WEIGHTS / "guide", tmp_path / "cool")
    (tmp_path / "cool" / "classifier.json").write_text('{"temperature": 2.0}')
    plain, cool = load_classifier(WEIGHTS / "guide"), load_classifier(tmp_path / "cool")
    assert torch.allclose(cool.logits(pixels), plain.logits(pixels) / 2)


def _multi_label(folder):
    """A copy of the guide whose config.json says that an image may have several emotions."""
    shutil.copytree(WEIGHTS / "guide", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"problem_type": "multi_label_classification"})
    )
    return folder


def test_each_emotion_of_a_multi_label_classifier_is_probable_by_itself(tmp_path, pixels):
    guide, multi_label = (
        load_classifier(WEIGHTS / "guide"),
        load_classifier(_multi_label(tmp_path / "multi_label")),
    )
    p = guide.logits(pixels).sigmoid()
    assert torch.allclose(multi_label.probs(pixels).p, p)
    shutil.copytree(WEIGHTS / "guide", tmp_path / "told")
    (tmp_path / "told" / "classifier.json").write_text('{"multi_label": true}')
    assert torch.allclose(load_classifier(tmp_path / "told").probs(pixels).p, p)
    (tmp_path / "multi_label" / "classifier.json").write_text('{"multi_label": false}')
    assert torch.allclose(
        load_classifier(tmp_path / "multi_label").probs(pixels).p, guide.probs(pixels).p
    )
    (tmp_path / "multi_label" / "classifier.json").write_text('{"multi_label": "no"}')
    with pytest.raises(
        ValueError, match=r"classifier.json: multi_label is 'no'; give true or false"
    ):
        load_classifier(tmp_path / "multi_label")


def test_a_label_left_out_of_a_multi_label_classifier_takes_nothing_away(tmp_path, pixels):
    folder = _multi_label(tmp_path / "multi_label")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"]["0"] = "blur"
    (folder / "config.json").write_text(json.dumps(config))
    (tmp_path / "seven.toml").write_text(
        f'name = "seven"\nlabels = {list(MIKELS.labels[1:])}\npolarity = {list(MIKELS.polarity[1:])}\nwheel = []\n'
    )
    whole, less = load_classifier(WEIGHTS / "guide"), load_taxonomy(str(tmp_path / "seven.toml"))
    p = load_classifier(folder, less, {"blur": ""}).probs(pixels).p
    assert torch.allclose(p, whole.logits(pixels)[:, 1:].sigmoid())


def test_an_ensemble_with_a_multi_label_member_is_multi_label_by_their_mean_log_odds(
    tmp_path, pixels
):
    members = [WEIGHTS / "judge", _multi_label(tmp_path / "multi_label")]
    both = load_classifier(
        _describe(tmp_path / "both", kind="ensemble", members=list(map(str, members)))
    )
    p, q = (load_classifier(member).probs(pixels).p.double() for member in members)
    assert torch.allclose(
        both.probs(pixels).p.double(), ((p.logit() + q.logit()) / 2).sigmoid(), atol=1e-4
    )


SHORT = {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"size": {"height": 48, "width": 48}, "resample": 2}, "ViTImageProcessor"),
        ({**SHORT, "resample": 3, "do_center_crop": True}, "CLIPImageProcessor"),
        ({"size": {"shortest_edge": 56}, "crop_pct": 0.875, "resample": 3}, "ConvNextImageProcessor"),
        ({"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}, "crop_pct": 0.9, "resample": 3},
         "PoolFormerImageProcessor"),
    ],
)  # fmt: skip
def test_preprocessing_is_that_of_transformers(settings, kind):
    """On a smooth picture, to 2.5 of 255 levels in the mean: theirs rounds to whole levels in between."""
    transformers = pytest.importorskip("transformers")
    name = kind if "torchvision" in sys.modules else f"{kind}Pil"
    processor = getattr(transformers, name, None) or getattr(transformers, kind)
    mean, std = [0.48, 0.45, 0.4], [0.26, 0.25, 0.27]
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (6, 9, 3), np.uint8))
    picture = small.resize((150, 100), Image.Resampling.BICUBIC)
    theirs = processor(**settings, image_mean=mean, image_std=std)(
        picture, return_tensors="pt"
    ).pixel_values
    ours = Preprocessing.of({**settings, "image_mean": mean, "image_std": std})
    mine = ours(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255)
    assert mine.shape == theirs.shape
    assert float((mine - theirs).abs().mean()) * 255 * 0.26 < 2.5


def test_what_is_not_safe_or_not_whole_is_refused(tmp_path, headed):
    unsafe = tmp_path / "unsafe"
    shutil.copytree(WEIGHTS / "guide", unsafe)
    config = json.loads((unsafe / "config.json").read_text())
    (unsafe / "config.json").write_text(
        json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}})
    )
    with pytest.raises(ValueError, match=r"code of its own \(auto_map.*never run"):
        load_classifier(unsafe)
    (unsafe / "config.json").write_text(json.dumps(config))
    weights = load_file(unsafe / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")},
        unsafe / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ValueError, match=r"no trained weights for classifier.*classifier fit"):
        load_classifier(unsafe)
    torch.save(weights, unsafe / "pytorch_model.bin")
    (unsafe / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="pickled weights are never loaded"):
        load_classifier(unsafe)
    save_file({"weight": torch.zeros(8, 5)}, headed / "head.safetensors")
    with pytest.raises(ValueError, match=r"wants 5 features; the backbone .* gives 128"):
        load_classifier(headed)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "oracle"}, "choose model, zero-shot, head or ensemble"),
        ({"kind": "ensemble", "members": ["."]}, "two folders or more"),
        ({"kind": "ensemble", "members": [".", "."]}, "member of itself"),
        (
            {"kind": "ensemble", "members": [str(WEIGHTS / "guide"), str(WEIGHTS / "place")]},
            "place: the labels",
        ),
        (
            {
                "kind": "head",
                "backbone": str(WEIGHTS / "clip"),
                "head": "head.pt",
                "labels": ["awe"],
            },
            "safetensors file",
        ),
        (
            {"kind": "head", "backbone": str(WEIGHTS / "clip"), "head": "h.safetensors"},
            "labels must name",
        ),
        ({"kind": "zero-shot", "model": str(WEIGHTS / "guide")}, "no CLIP or SigLIP"),
        (
            {"kind": "zero-shot", "model": str(WEIGHTS / "clip"), "prompts": {"awe": "wow"}},
            "list of prompts",
        ),
    ],
)
def test_a_broken_description_is_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        load_classifier(_describe(tmp_path / "broken", **settings))


def test_a_hub_id_is_found_in_the_cache_without_a_network(tmp_path):
    snapshot = tmp_path / "models--someone--feelings" / "snapshots" / "abc"
    shutil.copytree(WEIGHTS / "guide", snapshot)
    refs = tmp_path / "models--someone--feelings" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    code = "from muse.classifiers import load_classifier as l; print(l('someone/feelings').taxonomy.name); l('no/such')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )
    assert "mikels-8" in done.stdout, done.stderr
    assert "ValueError: there is no such folder here, and the hub gave" in done.stderr


def test_an_early_look_keeps_the_mean_and_takes_detail_away(pixels):
    seen = early_look(pixels, torch.Generator().manual_seed(0))
    assert torch.allclose(seen.mean((2, 3)), pixels.mean((2, 3)), atol=1e-4)
    assert (seen.std((2, 3)) < 0.7 * pixels.std((2, 3))).all()


def test_what_a_classifier_reads_is_known_before_it_is_loaded(headed, tmp_path):
    both = _describe(
        tmp_path / "both", kind="ensemble", members=[str(WEIGHTS / "guide"), "../headed"]
    )
    source = read_source(both)
    assert set(source.folders()) == {both, WEIGHTS / "guide", headed, WEIGHTS / "clip"}
    assert [leaf.kind for leaf in source.leaves()] == ["model", "head"]
