"""What a model reads of its prompts is known from its files, as its backbone has it."""

import json

import pytest
import torch

from muse.diffusion.backbones import load_backbone
from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.prompt_lengths import prompt_lengths
from tests.support.families import FAMILIES

OWN = None
"""The length of the tokenizer."""

CLIP, CLIP_BESIDE_T5 = (OWN, True, True), (OWN, True, False)

EXPECTED = {
    "sd1": [CLIP],
    "sdxl": [CLIP, CLIP],
    "sd3": [CLIP_BESIDE_T5, CLIP_BESIDE_T5, (256, False, True)],
    "flux": [CLIP_BESIDE_T5, (512, True, True)],
    "flux_schnell": [CLIP_BESIDE_T5, (256, True, True)],
    "z_image": [(512, True, True)],
}
"""Of each encoder the length, whether it takes emotional tokens, and whether its length counts."""


@pytest.mark.parametrize("family", EXPECTED)
def test_what_a_folder_says_is_what_its_backbone_reads(family, tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES[family](tokenizer).save_pretrained(tmp_path)
    found = prompt_lengths(ModelFolder.read(tmp_path))
    expected = EXPECTED[family]
    assert [(read.length, read.takes_tokens, read.whole) for read in found] == expected
    readers = load_backbone(tmp_path).text.readers
    own = tokenizer.model_max_length
    lengths = [(r.tokenizer.model_max_length, r.takes_tokens, r.whole) for r in readers]
    assert lengths == [(length or own, *flags) for length, *flags in expected]


def test_without_its_t5_stable_diffusion_3_reads_what_its_clips_read(tmp_path):
    parts = ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2")
    index = {"_class_name": "StableDiffusion3Pipeline"} | {part: ["x", "x"] for part in parts}
    index |= {"text_encoder_3": [None, None], "tokenizer_3": [None, None]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    found = prompt_lengths(ModelFolder.read(tmp_path))
    assert [(read.tokenizer, read.whole) for read in found] == [
        ("tokenizer", True),
        ("tokenizer_2", True),
    ]
