"""What is no LoRA, or does not fit a model, is told before anything is loaded."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.diffusion.files.loras.lora_files import lora_file, lora_problems, lora_warnings
from muse.diffusion.files.loras.lora_target import LoraTarget
from muse.mini import WEIGHTS

FAMILY = LoraTarget("StableDiffusionPipeline")
LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def _save(path, *names):
    save_file({f"{LAYER}.{name}": np.zeros((4, 4), np.float32) for name in names}, path)
    return path


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), "LoHa"),
        (("lokr_w1", "lokr_w2"), "LoKr"),
        (("lora_down.weight", "lora_up.weight", "lokr_w1"), "LoKr"),
        (("oft_blocks",), "OFT"),
        (("on_input",), "IA3"),
    ],
)
def test_other_kinds_are_named_with_the_remedy(tmp_path, names, kind):
    file = _save(tmp_path / "style.safetensors", *names)
    (problem,) = lora_problems(file, FAMILY)
    assert f"no LoRA but a {kind}" in problem
    assert "merge it into the model's weights" in problem
    assert problem.startswith("it is no LoRA")
    (of_folder,) = lora_problems(tmp_path, FAMILY)
    assert of_folder == problem.replace("it", "style.safetensors", 1)


def test_plain_ones_and_what_diffusers_reads_are_taken(tmp_path):
    plain = tmp_path / "plain.safetensors"
    halves = {
        f"{LAYER}.lora_{half}.weight": np.zeros((4, 4), np.float32) for half in ("down", "up")
    }
    save_file({**halves, f"{LAYER}.alpha": np.ones(1, np.float32)}, plain)
    assert [*lora_problems(plain, FAMILY)] == []
    lokr = _save(tmp_path / "lokr.safetensors", "lokr_w1", "lokr_w2")
    assert [*lora_problems(lokr, LoraTarget("ZImagePipeline"))] == []


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    (problem,) = lora_problems(tmp_path / "bad.safetensors", FAMILY)
    assert "not a readable safetensors file" in problem


def _save_as(path, *names, shape=(4, 4)):
    save_file({name: np.zeros(shape, np.float32) for name in names}, path)
    return path


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            ("emb_params",),
            "no LoRA but a textual inversion (it has emb_params); give it as `embedding`",
        ),
        (("clip_g", "clip_l"), "no LoRA but a textual inversion (it has clip_g)"),
        (("conv_in.weight", "mid_block.resnets.0.conv1.weight"), "no LoRA: none of its tensors"),
        ((), "has no tensors; copy it again"),
    ],
)
def test_a_file_without_the_names_of_a_lora_is_refused(tmp_path, names, told):
    (problem,) = lora_problems(_save_as(tmp_path / "style.safetensors", *names), FAMILY)
    assert told in problem


def test_a_folder_of_a_whole_model_is_no_lora(tmp_path):
    (problem,) = lora_problems(tmp_path, FAMILY)
    assert "is no LoRA: no .safetensors file lies in that folder itself" in problem
    (tmp_path / "model_index.json").write_text("{}")
    (problem,) = lora_problems(tmp_path, FAMILY)
    assert "is a whole model: no .safetensors file" in problem


@pytest.fixture(scope="module")
def target():
    return LoraTarget.of(WEIGHTS / "diffusion")


def _halves(target, part="unet", layer=None, width=0, names=("lora_A.weight", "lora_B.weight")):
    """The two matrices of a LoRA of rank 2 for a layer, its own input that much wider.

    Args:
        layer: the first attention's by default; one that the part lacks has the same widths.
    """
    own = next(name for name in sorted(target.layers["unet"]) if name.endswith("attn1.to_q"))
    out, into = target.layers["unet"][own][:2]
    shapes = ((2, into + width), (out, 2))
    full = f"{part}.{layer or own}".lstrip(".")
    return {
        f"{full}.{name}": np.ones(shape, np.float32)
        for name, shape in zip(names, shapes, strict=True)
    }


def _problems(tmp_path, target, tensors):
    save_file(tensors, tmp_path / "style.safetensors")
    return [*lora_problems(tmp_path / "style.safetensors", target)]


@pytest.mark.parametrize(
    "names",
    [
        ("lora_A.weight", "lora_B.weight"),
        ("lora.down.weight", "lora.up.weight"),
    ],
)
def test_one_that_fits_is_taken_without_a_word(tmp_path, target, names):
    assert _problems(tmp_path, target, _halves(target, names=names)) == []
    assert [*lora_warnings(tmp_path, target)] == []


def test_one_that_does_not_fit_is_refused_with_what_does_not(tmp_path, target):
    halves = _halves(target)
    (first, second), foreign = halves.items(), _halves(target, layer="mid_block.nothing")
    other = next(name for name in sorted(target.layers["unet"]) if name.endswith("attn2.to_k"))
    family = "StableDiffusionPipeline"
    cases = [
        (
            _halves(target, width=8),
            f"has other widths than this {family} in 1 layers",
        ),
        (dict([first]), "is incomplete: 1 matrices lack the other one of their layer (unet."),
        (dict([first, (f"unet.{other}.lora_B.weight", second[1])]), "is incomplete: 2 matrices"),
        (foreign, f"fits no layer of this {family} (it has unet.mid_block.nothing)"),
        (_halves(target, "transformer"), f"fits no layer of this {family} (it has "),
        (_halves(target, "base_model.model"), f"names no part of this {family} (it has base"),
        (_halves(target, ""), "diffusers reads names that begin with unet. or text_encoder."),
        (
            {**halves, "emb_params": second[1]},
            "holds 1 tensors beside those of a LoRA (emb_params)",
        ),
        ({f"{name}.x": value for name, value in halves.items()}, "changes no layer"),
    ]
    for tensors, told in cases:
        (problem,) = _problems(tmp_path, target, tensors)
        assert problem.startswith("it ")
        assert told in problem


def test_the_widths_that_differ_are_told(tmp_path, target):
    tensors = _halves(target, width=8)
    (name, found), _ = tensors.items()
    (problem,) = _problems(tmp_path, target, tensors)
    layer = name.removesuffix(".lora_A.weight")
    shape = [2, found.shape[1] - 8]
    assert f"({layer}: its matrix A is {[*found.shape]}, not {shape})" in problem


def test_layers_that_a_model_lacks_are_counted_in_a_warning(tmp_path, target):
    """As diffusers, which warns of them in its log."""
    tensors = _halves(target) | _halves(target, layer="mid_block.nothing")
    tensors |= _halves(target, "text_encoder_2", "encoder.layers.0.self_attn.q_proj")
    assert _problems(tmp_path, target, tensors) == []
    (warning,) = lora_warnings(tmp_path, target)
    assert "2 of its 3 layers are not in this model and are left out, as in diffusers" in warning
    assert "unet.mid_block.nothing, text_encoder_2.encoder.layers.0.self_attn.q_proj)" in warning


def test_a_dora_whose_magnitudes_are_not_read_is_told(tmp_path, target):
    tensors = _halves(target, names=("lora_A.weight", "lora_B.weight"))
    layer = next(iter(tensors)).removesuffix(".lora_A.weight")
    assert _problems(tmp_path, target, tensors | {f"{layer}.dora_scale": np.ones(4)}) == []
    (warning,) = lora_warnings(tmp_path, target)
    assert "it is a DoRA, and the magnitudes of its 1 layers are left out" in warning


def test_of_a_folder_the_usual_file_is_read_or_the_only_one(tmp_path, target):
    save_file(_halves(target), tmp_path / "checkpoint-500.safetensors")
    assert lora_file(tmp_path) == tmp_path / "checkpoint-500.safetensors"
    assert [*lora_warnings(tmp_path, target)] == []
    usual = tmp_path / "pytorch_lora_weights.safetensors"
    save_file(_halves(target), usual)
    (tmp_path / "damaged.safetensors").touch()
    assert lora_file(tmp_path) == lora_file(usual) == usual
    assert [*lora_problems(tmp_path, target)] == []
    (warning,) = lora_warnings(tmp_path, target)
    unread = "checkpoint-500.safetensors, damaged.safetensors"
    assert warning.endswith(f"{usual.name} is read; not read beside it: {unread}")


def test_of_several_files_the_one_to_fuse_must_be_given(tmp_path, target):
    for name in "ba":
        save_file(_halves(target), tmp_path / f"{name}.safetensors")
    (problem,) = lora_problems(tmp_path, target)
    assert "holds 2 .safetensors files, none of which is called pytorch_lora_weights" in problem
    assert problem.endswith(
        f"a.safetensors, b.safetensors; give the one to use, such as {tmp_path / 'a.safetensors'}"
    )
    with pytest.raises(ValueError, match="holds 2 "):
        lora_file(tmp_path)


def test_the_usual_file_that_is_a_link_to_nowhere_is_told(tmp_path):
    _save(tmp_path / "other.safetensors", "lora_down.weight", "lora_up.weight")
    (tmp_path / "pytorch_lora_weights.safetensors").symlink_to(tmp_path / "gone")
    (problem,) = lora_problems(tmp_path, FAMILY)
    assert "pytorch_lora_weights.safetensors is a link to" in problem
