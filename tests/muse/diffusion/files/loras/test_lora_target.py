import json

import pytest
import torch

from muse.diffusion.files.loras.lora_target import LoraTarget
from tests.support.families import FAMILIES


@pytest.mark.parametrize(
    ("family", "parts"),
    [
        ("sd1", {"unet", "text_encoder"}),
        ("sdxl", {"unet", "text_encoder", "text_encoder_2"}),
        ("flux", {"transformer", "text_encoder", "text_encoder_2"}),
    ],
)
def test_files_tell_the_same_layers_as_the_loaded_model(tokenizer, tmp_path, family, parts):
    pipe = FAMILIES[family](tokenizer)
    pipe.save_pretrained(tmp_path)
    loaded, of_files = LoraTarget.of_pipeline(pipe), LoraTarget.of(tmp_path)
    assert loaded.layers.keys() == of_files.layers.keys() == parts
    assert loaded.family == of_files.family == type(pipe).__name__
    for part in parts - {"text_encoder_2"}:
        assert loaded.layers[part] == of_files.layers[part]
    if "unet" in parts:
        assert loaded.layers_per_block == of_files.layers_per_block == 1


def test_a_quantised_part_is_not_compared(tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES["sd1"](tokenizer).save_pretrained(tmp_path)
    config = tmp_path / "unet" / "config.json"
    quantised = {"quantization_config": {"quant_method": "bitsandbytes"}}
    config.write_text(json.dumps(json.loads(config.read_text()) | quantised))
    assert LoraTarget.of(tmp_path).layers.keys() == {"text_encoder"}
