"""Which sizes a model makes, and the buckets of its area."""

import pytest
from PIL import Image

from muse.sizes import MAX_AREA, ModelSizes, Size, by_size

SDXL = ModelSizes(Size(1024, 1024), 32)
SD1 = ModelSizes(Size(512, 512), 64)
SD3 = ModelSizes(Size(1024, 1024), 16, longest=1536)
FOUR_LEVELS = {"block_out_channels": [128, 256, 512, 512]}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"sample_size": 64, "block_out_channels": [320, 640, 1280, 1280]}, SD1),
        ({"sample_size": 128, "block_out_channels": [320, 640, 1280]}, SDXL),
        ({"sample_size": 128, "patch_size": 2, "pos_embed_max_size": 96}, SD3),
        (
            {"sample_size": [16, 24], "block_out_channels": [320, 640]},
            ModelSizes(Size(192, 128), 16),
        ),
        # diffusers puts 64 in the place of less, if a release before 0.9 wrote it.
        (
            {
                "sample_size": 32,
                "block_out_channels": [320, 640, 1280, 1280],
                "_diffusers_version": "0.8.0.dev0",
            },
            SD1,
        ),
        (
            {
                "sample_size": 32,
                "block_out_channels": [320, 640, 1280, 1280],
                "_diffusers_version": "0.9.0.dev0",
            },
            ModelSizes(Size(256, 256), 64),
        ),
        ({"sample_size": 0, "block_out_channels": [320]}, None),
        ({"sample_size": -16, "block_out_channels": [320]}, None),
        ({"sample_size": [16, 0], "block_out_channels": [320]}, None),
        ({"sample_size": True, "block_out_channels": [320]}, None),
        ({"sample_size": None, "block_out_channels": [320]}, None),
        ({"sample_size": [16, 24, 32], "block_out_channels": [320]}, None),
    ],
)
def test_sizes_follow_from_the_configurations(network, expected):
    assert ModelSizes.of(network, FOUR_LEVELS) == expected


def test_the_buckets_of_sdxl_are_those_that_it_was_trained_on():
    known = {(1024, 1024), (1152, 896), (1216, 832), (1344, 768), (512, 2048), (1600, 640)}
    buckets = {(bucket.width, bucket.height) for bucket in SDXL.buckets}
    assert known < buckets
    assert {(height, width) for width, height in buckets} == buckets


@pytest.mark.parametrize(
    "sizes", [SDXL, SD1, SD3, ModelSizes(Size(64, 64), 16), ModelSizes(Size(192, 128), 16)]
)
def test_no_bucket_needs_more_memory_than_the_models_own_size(sizes):
    assert sizes.own in sizes.buckets
    for bucket in sizes.buckets:
        assert bucket.area <= sizes.own.area
        assert sizes.size_problem(bucket) is None


@pytest.mark.parametrize(
    ("picture", "bucket"),
    [
        ((4000, 3000), (1152, 896)),
        ((3000, 4000), (896, 1152)),
        ((50, 50), (1024, 1024)),
        ((6000, 4000), (1216, 832)),
        ((1920, 1080), (1344, 768)),
        ((9000, 100), (2048, 512)),
    ],
)
def test_a_picture_gets_the_bucket_of_the_nearest_aspect(picture, bucket):
    assert SDXL.bucket_of(Size(*picture)) == Size(*bucket)


def test_of_equal_aspects_the_largest_bucket_is_taken():
    sizes = ModelSizes(Size(64, 96), 16)
    assert sizes.bucket_of(Size(20, 30)) == Size(64, 96)


@pytest.mark.parametrize(
    ("sizes", "pixels", "message"),
    [
        (SD1, 1000, "is 1000; this model takes multiples of 64: give 960 or 1024"),
        (SD1, 10, "is 10; this model takes multiples of 64: give 64"),
        (SD3, 1530, "is 1530; this model takes multiples of 16: give 1520 or 1536"),
        (SD3, 2048, "is 2048; this model makes at most 1536"),
        (SD3, 1040, None),
    ],
)
def test_a_size_that_the_model_does_not_make_is_refused_with_the_nearest(sizes, pixels, message):
    assert sizes.problem(pixels) == message
    if message:
        assert sizes.size_problem(Size(512, pixels)) == f"height {message}"


def test_only_sizes_that_are_allowed_are_named():
    """Not beyond the longest side, nor one whose image would be too large with the other side."""
    assert SD1.problem(65_500).endswith("give 65472")
    assert SD1.problem(16_383, longest=16_383).endswith("give 16320")
    assert SD1.problem(16_383).endswith("give 16320 or 16384")
    assert SD1.problem(16_450, 16_320).endswith("give 10944")
    for problem in SD1.side_problems(16_400, 10_920).values():
        assert problem.endswith(("give 16320", "give 10880"))
    assert SD1.side_problems(16_320, 10_880) == {}


def test_places_are_gathered_by_size():
    wide, square = Size(80, 48), Size(64, 64)
    assert by_size([wide, square, wide]) == [[0, 2], [1]]


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        (Size(65_536, 64), "width is 65536; an image has at most 65535"),
        (Size(64, 99_968), "height is 99968; an image has at most 65535"),
        (
            Size(16_384, 16_384),
            "width is 16384 beside 16384; no image of more than 178,956,970 pixels could be opened "
            "again: give a smaller size",
        ),
        (Size(64, 65_472), None),
    ],
)
def test_no_image_is_larger_than_can_be_opened_again(size, problem):
    assert SD1.size_problem(size) == problem


def test_the_limit_is_that_of_pillow():
    assert 2 * Image.MAX_IMAGE_PIXELS == MAX_AREA
