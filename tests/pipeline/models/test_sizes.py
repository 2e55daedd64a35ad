"""The sizes of a run's images, by the files of its model."""

import json
import os

import pytest

from manifests.check import ManifestError
from muse.sizes import ModelSizes, Size
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.sizes import model_sizes
from pipeline.planning.checks.edit_warnings import EMBEDDED_SIZE
from pipeline.planning.manifest_input import checked_manifest
from tests.support.local_runs import write_rows


def test_they_are_read_from_the_files_of_the_model(tmp_path):
    assert model_sizes(Config()) == ModelSizes(EMBEDDED_SIZE, 32)
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    for part, settings in {
        "unet": {"sample_size": [96, 64], "block_out_channels": [1, 1]},
        "vae": {"block_out_channels": [1, 1, 1, 1]},
    }.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(settings))
    assert model_sizes(Config(model=str(tmp_path))) == ModelSizes(Size(512, 768), 16)
    assert model_sizes(Config(model="owner/name")) is None


def test_only_the_network_of_the_model_s_family_counts(tmp_path):
    """A folder of another network that was left beside it does not."""
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusion3Pipeline"}')
    for part, settings in {
        "unet": {"sample_size": 64, "block_out_channels": [1, 1]},
        "transformer": {"sample_size": 128, "patch_size": 2, "pos_embed_max_size": 192},
        "vae": {"block_out_channels": [1, 1, 1, 1]},
    }.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(settings))
    assert model_sizes(Config(model=str(tmp_path))) == ModelSizes(Size(1024, 1024), 16, 3072)


def test_files_that_do_not_say_a_size_give_none(tmp_path):
    """What is wrong with them is said where the models are located. A pipe is not waited for."""
    index = tmp_path / "model_index.json"
    config = Config(model=str(tmp_path))
    index.write_text('{"_class_name": "StableDiffusionPipeline"}')
    (tmp_path / "unet").mkdir()
    os.mkfifo(tmp_path / "unet" / "config.json")
    assert model_sizes(config) is None
    index.write_text("[" * 100_000)
    assert model_sizes(config) is None


def test_a_size_in_the_settings_that_the_model_does_not_make_is_refused():
    with pytest.raises(UserError, match=r"height is 100; this model .* give 96 or 128"):
        model_sizes(Config(width=64, height=100))
    with pytest.raises(ValueError, match="width and height go together; give both, or neither"):
        Config(width=64)
    with pytest.raises(UserError, match=r"width is 16380; this model .*: give 16352$"):
        model_sizes(Config(width=16_380, height=64, image_format="webp"))
    with pytest.raises(ValueError, match="width") as caught:
        Config(width=70_000, height=16)
    assert "go together" not in str(caught.value)


def test_a_size_in_the_manifest_that_the_model_does_not_make_is_refused_by_row(tmp_path):
    widths, heights = [64, 100, None, 32, 64], [64, 32, None, 96, None]
    manifest = write_rows(tmp_path / "m.parquet", 5, width=widths, height=heights)
    with pytest.raises(ManifestError) as caught:
        checked_manifest(str(manifest), Config())
    assert [str(problem) for problem in caught.value.problems] == [
        "row 1, column 'width': is 100; this model takes multiples of 32: give 96 or 128; "
        "rename the column if it is not the size of the images to make",
        "row 4, column 'height': is missing, but the row has a width, 64; give both, or neither",
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"width": [0], "height": [64]}, "row 0, column 'width': is 0; give the pixels"),
        ({"width": ["64"], "height": [64]}, "column 'width': its type is string; make it integer"),
    ],
)
def test_what_is_no_size_is_refused_with_the_reason(tmp_path, columns, message):
    manifest = write_rows(tmp_path / "m.parquet", 1, **columns)
    with pytest.raises(ManifestError, match=message):
        checked_manifest(str(manifest), Config(engine="null"))


def test_a_size_that_the_format_of_the_images_cannot_hold_is_refused(tmp_path):
    wide = {"width": 16_384, "height": 64}
    assert model_sizes(Config(**wide)) == model_sizes(Config())
    # A model that is not on this machine yet makes no difference.
    for model in ("embedded", "owner/name"):
        with pytest.raises(
            UserError, match="settings: width is 16384; webp holds at most 16383 pix"
        ):
            model_sizes(Config(**wide, image_format="webp", model=model))
        sizes = {"width": [64, 16_416], "height": [65_504, 64]}
        manifest = write_rows(tmp_path / "m.parquet", 2, **sizes)
        with pytest.raises(ManifestError) as caught:
            checked_manifest(str(manifest), Config(image_format="webp", model=model))
        tall, broad = map(str, caught.value.problems)
        assert tall.startswith("row 0, column 'height': is 65504; webp holds at most 16383 pixels")
        assert "image_format = png, or give" in tall
        assert broad.startswith("row 1, column 'width': is 16416; webp")
        assert "image_format = jpg or png, or give" in broad
    checked_manifest(str(manifest), Config())
