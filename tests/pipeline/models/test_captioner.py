"""Captions by a tiny random BLIP from a folder."""

import shutil

import pytest
import torch
from PIL import Image

from pipeline.errors import UserError
from pipeline.models.captioner import Captioner


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BLIP of a few thousand weights, as `save_pretrained` writes it."""
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessorPil,
        BlipProcessor,
    )

    path = tmp_path_factory.mktemp("blip")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "dog", "red", "wall"]
    vocabulary = {word: number for number, word in enumerate(words)}
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2}
    ids = {"bos_token_id": 5, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    config = BlipConfig(
        text_config={**sizes, **ids, "vocab_size": len(words), "encoder_hidden_size": 16},
        vision_config={**sizes, "image_size": 16, "patch_size": 8},
        image_text_hidden_size=16,
    )
    torch.manual_seed(0)
    BlipForConditionalGeneration(config).save_pretrained(path)
    processor = BlipImageProcessorPil(size={"height": 16, "width": 16})
    BlipProcessor(processor, BertTokenizer(vocab=vocabulary, bos_token="[DEC]")).save_pretrained(
        path
    )
    return path


def test_every_image_gets_the_same_caption_again(folder, tmp_path):
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    captioner = Captioner(str(folder))
    captions = captioner([str(tmp_path / "a.png"), data] * 5)
    assert len(captions) == 10
    assert len(set(captions)) == 1
    assert set(captions[0].split()) <= {"a", "dog", "red", "wall"}
    assert Captioner(str(folder))([data]) == captions[:1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_saved_in_half_precision_captions(folder, tmp_path, dtype):
    """A Swin, which does not cast its pixels by itself."""
    from transformers import (
        GPT2Config,
        SwinConfig,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTImageProcessorPil,
    )

    half = shutil.copytree(folder, tmp_path / "half")
    sizes = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "window_size": 4}
    encoder = SwinConfig(**sizes, depths=[1], num_heads=[2])
    ids = {"bos_token_id": 5, "eos_token_id": 3, "pad_token_id": 0}
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 10}
    decoder = GPT2Config(**sizes, **ids, add_cross_attention=True, is_decoder=True)
    both = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    torch.manual_seed(0)
    model = VisionEncoderDecoderModel(config=both)
    model.generation_config.update(decoder_start_token_id=5, eos_token_id=3, pad_token_id=0)
    model.to(dtype).save_pretrained(half)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(half)
    (half / "processor_config.json").unlink(missing_ok=True)
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.png")
    (caption,) = Captioner(str(half))([str(tmp_path / "a.png")])
    assert set(caption.split()) <= {"a", "dog", "red", "wall"}


def test_folders_without_a_captioning_model_are_refused(folder, tmp_path):
    with pytest.raises(UserError, match=r"is not the folder of a model; it has no config\.json"):
        Captioner(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "blip"}')
    with pytest.raises(UserError, match=r"it has no \.safetensors weights"):
        Captioner(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="no captioning model of transformers can be loaded"):
        Captioner(str(tmp_path))


def test_an_image_that_cannot_be_decoded_is_named(folder, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a\.png: cannot be decoded"):
        Captioner(str(folder))([str(tmp_path / "a.png")])


@pytest.mark.research
@pytest.mark.parametrize("family", ["git", "vision-encoder-decoder"])
def test_other_families_caption_too(family, tmp_path):
    import transformers as t

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2}
    vision = {**sizes, "image_size": 16, "patch_size": 8}
    ids = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    if family == "git":
        config = t.GitConfig(vision_config=vision, vocab_size=10, **ids, **sizes)
        model = t.GitForCausalLM(config)
    else:
        layers = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64}
        decoder = t.GPT2Config(vocab_size=10, add_cross_attention=True, is_decoder=True, **layers)
        config = t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
            t.ViTConfig(**vision), decoder
        )
        model = t.VisionEncoderDecoderModel(config=config)
        model.generation_config.update(decoder_start_token_id=2, **ids)
    model.save_pretrained(tmp_path)
    t.ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(tmp_path)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "red", "wall", "by"]
    vocabulary = {word: number for number, word in enumerate(words)}
    t.BertTokenizer(vocab=vocabulary).save_pretrained(tmp_path)
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.png")
    first, second = Captioner(str(tmp_path))([str(tmp_path / "a.png")] * 2)
    assert first == second
    assert set(first.split()) <= {*words}
