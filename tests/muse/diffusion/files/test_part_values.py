"""Numbers in the settings of a part that are none."""

import json
import shutil

import pytest

from muse.diffusion.files.part_fit import tiny_vae_problem, vae_problem
from muse.diffusion.files.part_values import value_problem
from muse.mini import WEIGHTS
from muse.sizes import ModelSizes
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.locate import check_models
from pipeline.models.sizes import model_sizes

NO_COUNTS = [None, {}, "16", True, 0, 4.5]
NO_LISTS = [None, 4, True, "abcd", [], [8, "x"], {}]


@pytest.mark.parametrize("value", NO_COUNTS)
@pytest.mark.parametrize("key", ["in_channels", "latent_channels"])
def test_what_is_no_number_is_told_with_its_key(key, value):
    problem = value_problem({key: value})
    assert problem.startswith(f"the {key} in its config.json is {json.dumps(value)}; set it to a")
    assert value_problem({key: 4}) is None


@pytest.mark.parametrize("value", NO_LISTS)
@pytest.mark.parametrize("key", ["block_out_channels", "decoder_block_out_channels"])
def test_what_is_no_list_of_numbers_is_told_with_its_key(key, value):
    problem = value_problem({key: value})
    assert f"the {key} in its config.json is {json.dumps(value)}; set it to a list of" in problem
    assert value_problem({key: (4, 8)}) is None


def test_settings_that_a_family_has_not_may_be_null():
    assert value_problem({"out_channels": None, "patch_size": None}) is None


@pytest.mark.parametrize("value", NO_LISTS)
def test_another_vae_and_tiny_decoder_are_examined_alike(value):
    vae = {"_class_name": "AutoencoderKL", "block_out_channels": value}
    assert "the block_out_channels in its config.json" in vae_problem(vae, {})
    tiny = {"_class_name": "AutoencoderTiny", "decoder_block_out_channels": value}
    problem = tiny_vae_problem(tiny, {})
    assert problem.startswith("the decoder_block_out_channels in its config.json is ")
    assert problem.endswith('or set tiny_vae = "none"')


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        *(("unet", key, value) for key in ("in_channels", "out_channels") for value in ("16", {})),
        *(("unet", "block_out_channels", value) for value in NO_LISTS),
        *(("vae", "block_out_channels", value) for value in NO_LISTS),
        *(("vae", "latent_channels", value) for value in NO_COUNTS),
        *(("tiny_vae", "decoder_block_out_channels", value) for value in NO_LISTS),
    ],
)
def test_plan_refuses_a_model_with_such_a_part(tmp_path, part, key, value):
    model = shutil.copytree(WEIGHTS / "diffusion", tmp_path / "model")
    file = model / part / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    config = Config(model=str(model))
    assert isinstance(model_sizes(config), ModelSizes | None)
    with pytest.raises(UserError) as caught:
        check_models(config)
    told = f"{part}/: the {key} in its config.json is {json.dumps(value)}; set it to a"
    assert told in str(caught.value)


@pytest.mark.parametrize("key", ["num_hidden_layers"])
@pytest.mark.parametrize("value", ["3", {}])
def test_layers_that_are_no_number_are_no_traceback(tmp_path, key, value):
    model = shutil.copytree(WEIGHTS / "diffusion", tmp_path / "model")
    file = model / "text_encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(UserError, match="text_encoder"):
        check_models(Config(model=str(model), clip_skip=1))
