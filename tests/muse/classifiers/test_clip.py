"""Image-text similarity."""

import torch
from transformers import CLIPModel, CLIPTokenizer

from muse.classifiers.clip import ClipSimilarity, similarity
from muse.mini import WEIGHTS


def test_similarity_is_clips_own_cosine(pixels):
    prompts = ["a dog on a beach", "a cat by a pond", "a skull in a cemetery"]
    clip = ClipSimilarity.from_pretrained(WEIGHTS / "clip")
    cosines = similarity(clip.image(pixels), clip.text(prompts))
    model = CLIPModel.from_pretrained(WEIGHTS / "clip")
    ids = CLIPTokenizer.from_pretrained(WEIGHTS / "clip")(
        prompts, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(pixel_values=(pixels - clip.mean) / clip.std, **ids).logits_per_image
    assert torch.allclose(cosines, logits.diagonal() / model.logit_scale.exp(), atol=1e-5)


def test_names_of_special_tokens_in_a_prompt_are_plain_text(random_clip):
    """With the real end marker, what stands after it would not count."""
    one, other = random_clip.text(["a dog <|endoftext|> beach", "a dog <|endoftext|> forest"])
    assert not torch.allclose(one, other, atol=1e-6)
