import pytest

from muse.diffusion.files.loras.lora_fit import LoraFit, fit_of, unpaired
from muse.diffusion.files.loras.lora_target import LoraTarget

TARGET = LoraTarget("StableDiffusionPipeline", {"unet": {"conv": [8, 4, 3, 3], "to_q": [6, 4]}})


@pytest.mark.parametrize(
    ("layer", "a", "b", "told"),
    [
        ("to_q", [2, 4], [6, 2], None),
        ("to_q", [2, 4], [5, 2], "unet.to_q: its matrix B is [5, 2], not [6, 2]"),
        ("to_q", [2, 4], [6, 3], "unet.to_q: its matrix B is [6, 3], not [6, 2]"),
        ("conv", [2, 4, 3, 3], [8, 2, 1, 1], None),
        ("conv", [2, 4, 1, 1], [8, 2, 1, 1], "matrix A is [2, 4, 1, 1], not [2, 4, 3, 3]"),
        ("to_q", [2, 4, 1, 1], [6, 2, 1, 1], "matrix A is [2, 4, 1, 1], not [2, 4]"),
    ],
)
def test_the_widths_of_a_layer_and_its_matrices_are_compared(tmp_path, layer, a, b, told):
    shapes = {f"unet.{layer}.lora_A.weight": a, f"unet.{layer}.lora_B.weight": b}
    fit = fit_of(tmp_path / "style.safetensors", shapes, TARGET)
    assert fit.absent == []
    assert (fit.fitting, len(fit.other_widths)) == ((1, 0) if told is None else (0, 1))
    assert told is None or told in fit.other_widths[0]


def test_the_layers_of_a_part_whose_own_are_not_known_count_as_fitting(tmp_path):
    shapes = {f"unet.x.lora_{half}.weight": [2, 2] for half in "AB"}
    fit = fit_of(tmp_path / "x.safetensors", shapes, LoraTarget("StableDiffusionPipeline"))
    assert fit == LoraFit(fitting=1)


def test_norms_of_flux_are_read_from_the_file_of_a_lora(tmp_path):
    layers = {"transformer": {"blocks.0.attn.to_q": [6, 4], "blocks.0.attn.norm_q": [8]}}
    shapes = {f"transformer.blocks.0.attn.to_q.lora_{half}.weight": [2, 4] for half in "A"}
    shapes["transformer.blocks.0.attn.to_q.lora_B.weight"] = [6, 2]
    for width, absent in ((8, []), (4, ["transformer.blocks.0.attn.norm_q.weight"])):
        norms = {"transformer.blocks.0.attn.norm_q.weight": [width]}
        fit = fit_of(tmp_path / "x.safetensors", shapes | norms, LoraTarget("FluxPipeline", layers))
        assert fit.absent == absent
        assert fit.fitting == 2 - len(absent)


@pytest.mark.parametrize(
    "names",
    [
        ("x.lora_A.weight", "x.lora_B.weight"),
        ("x.lora_A.default.weight", "x.lora_B.default.weight"),
        ("x.to_q_lora.down.weight", "x.to_q_lora.up.weight"),
        ("x.lora_linear_layer.up.weight", "x.lora_linear_layer.down.weight"),
        ("lora_unet_up_x.lora_down.weight", "lora_unet_up_x.lora_up.weight"),
    ],
)
def test_a_matrix_without_the_other_of_its_layer_is_found_in_all_layouts(names):
    pair = dict.fromkeys(names, (2, 2))
    assert unpaired(pair | {"x.alpha": ()}) == []
    for name in names:
        assert unpaired({name: (2, 2)}) == [name]


def test_a_matrix_with_the_name_of_an_adapter_is_not_read(tmp_path):
    shapes = {f"unet.to_q.lora_{half}.default.weight": [2, 2] for half in "AB"}
    fit = fit_of(tmp_path / "style.safetensors", shapes, TARGET)
    assert fit == LoraFit(absent=["unet.to_q"])
