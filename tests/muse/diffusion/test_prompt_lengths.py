"""How many tokens of a prompt a model reads is known from its files, as its backbone has it."""

import pytest
import torch

from muse.diffusion.backbones import load_backbone
from muse.diffusion.model_files import ModelFolder
from muse.diffusion.prompt_lengths import prompt_lengths
from tests.support.families import FAMILIES


@pytest.mark.parametrize("family", ["sdxl", "flux", "flux_schnell", "z_image"])
def test_the_lengths_of_a_folder_are_those_of_its_backbone(family, tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES[family](tokenizer).save_pretrained(tmp_path)
    lengths = prompt_lengths(ModelFolder.read(tmp_path))
    whole = load_backbone(tmp_path).text.whole
    own = tokenizer.model_max_length
    assert [length or own for length in lengths.values()] == [t.model_max_length for t in whole]
    expected = {"sdxl": [own, own], "flux": [512], "flux_schnell": [256], "z_image": [512]}
    assert [t.model_max_length for t in whole] == expected[family]
