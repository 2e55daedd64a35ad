"""Image-text similarity."""

import shutil

import pytest
import torch
from transformers import CLIPModel, CLIPTokenizer

from muse.classifiers import Preprocessing
from muse.classifiers.clip import ClipSimilarity, similarity
from muse.classifiers.image_steps import CentreCrop, ShortestEdge
from muse.mini import WEIGHTS


def test_similarity_is_clips_own_cosine(pixels):
    prompts = ["a dog on a beach", "a cat by a pond", "a skull in a cemetery"]
    clip = ClipSimilarity.from_pretrained(WEIGHTS / "clip")
    cosines = similarity(clip.image(pixels), clip.text(prompts))
    model = CLIPModel.from_pretrained(WEIGHTS / "clip", dtype=torch.float32)
    ids = CLIPTokenizer.from_pretrained(WEIGHTS / "clip")(
        prompts, padding=True, return_tensors="pt"
    )
    read = clip.preprocessing
    with torch.no_grad():
        inputs = (pixels - read.mean) / read.std
        logits = model(pixel_values=inputs, **ids).logits_per_image
    assert torch.allclose(cosines, logits.diagonal() / model.logit_scale.exp(), atol=1e-5)


def test_names_of_special_tokens_in_a_prompt_are_plain_text(random_clip):
    """With the real end marker, what stands after it would not count."""
    one, other = random_clip.text(["a dog <|endoftext|> beach", "a dog <|endoftext|> forest"])
    assert not torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("is_cropped", [True, False])
def test_it_sees_the_central_square_or_all_of_a_wide_image(random_clip, tokenizer, is_cropped):
    steps = [ShortestEdge(64), CentreCrop(64, 64)] if is_cropped else None
    preprocessing = Preprocessing(64, [0.5] * 3, [0.5] * 3, steps)
    clip = ClipSimilarity(random_clip.model, tokenizer, preprocessing)
    wide = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    other = wide.clone()
    other[..., :16] = 0
    is_same = torch.equal(clip.image(wide), clip.image(other))
    assert is_same == is_cropped
    square = clip.image(wide[..., 32:96])
    assert torch.allclose(clip.image(wide), square, atol=1e-6) == is_cropped


def test_images_are_resized_by_the_filter_that_the_folder_names(tmp_path):
    folder = shutil.copytree(WEIGHTS / "clip", tmp_path / "clip")
    assert ClipSimilarity.from_pretrained(folder).preprocessing.mode == "bilinear"
    file = folder / "processor_config.json"
    file.write_text(file.read_text().replace('"resample": 2', '"resample": 3'))
    assert ClipSimilarity.from_pretrained(folder).preprocessing.mode == "bicubic"
