import pytest

from muse.diffusion.files.loras.lora_names import named_by_diffusers

SIDE = [4, 4]
CLIP = "text_model_encoder_layers_0_self_attn_out_proj"
OF_CLIP = "text_model.encoder.layers.0.self_attn.out_proj"


def _kohya(*layers):
    named = {f"{layer}.lora_{half}.weight": SIDE for layer in layers for half in ("down", "up")}
    return named | {f"{layer}.alpha": [] for layer in layers}


@pytest.mark.parametrize(
    ("family", "shapes", "layers"),
    [
        (
            "StableDiffusionPipeline",
            _kohya("lora_unet_mid_block_attentions_0_proj_in", f"lora_te_{CLIP}"),
            {"unet": "mid_block.attentions.0.proj_in", "text_encoder": OF_CLIP},
        ),
        (
            "StableDiffusionXLPipeline",
            _kohya("lora_unet_middle_block_1_proj_in", f"lora_te1_{CLIP}", f"lora_te2_{CLIP}"),
            {
                "unet": "mid_block.attentions.0.proj_in",
                "text_encoder": OF_CLIP,
                "text_encoder_2": OF_CLIP,
            },
        ),
        (
            "StableDiffusion3Pipeline",
            {f"transformer.x.lora_{half}.weight": SIDE for half in "AB"},
            {"transformer": "x"},
        ),
        (
            "ZImagePipeline",
            {f"diffusion_model.layers.0.attention.to_q.lora_{half}.weight": SIDE for half in "AB"},
            {"transformer": "layers.0.attention.to_q"},
        ),
    ],
)
def test_layouts_of_trainers_get_the_names_of_peft(tmp_path, family, shapes, layers):
    parts, others = named_by_diffusers(tmp_path / "style.safetensors", shapes, family, 2)
    assert others == []
    assert parts.keys() == layers.keys()
    for part, layer in layers.items():
        assert {*parts[part]} == {f"{layer}.lora_{half}.weight" for half in "AB"}
        assert all(shape == SIDE for shape in parts[part].values())


def test_what_diffusers_cannot_name_is_told_with_its_words(tmp_path):
    shapes = {"text_encoder.x.lora": SIDE}
    with pytest.raises(ValueError, match=r"cannot be read by diffusers as a LoRA \(ValueError: "):
        named_by_diffusers(tmp_path / "style.safetensors", shapes, "StableDiffusionPipeline", 2)
