"""The check of source images before a run: local ones by their headers, remote ones by a sample."""

import io
import os
from dataclasses import replace

import pytest
from PIL import Image

from manifests.schema import Row
from muse import fitting
from muse.sizes import Size
from pipeline.config import Config
from pipeline.config_tables import Images
from pipeline.generation.engines.null_engine import SIZES
from pipeline.planning.checks import image_check
from pipeline.planning.checks.image_check import CHUNK, REMOTE_SAMPLE, ImageCheck


def _png(side=8, height=None) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, height or side)).save(buffer, "PNG")
    return buffer.getvalue()


def _white(side=8, grey=255) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (side, side), grey).save(buffer, "PNG")
    return buffer.getvalue()


def _row(number, image):
    return Row(number, "a dog", image, ({"awe": 1.0},), None, None, "")


def _check(images, base, **limits) -> ImageCheck:
    check = ImageCheck(str(base), Config(images=Images(**limits)), SIZES)
    for number, image in enumerate(images):
        check.add(_row(number, image))
    check.finish()
    return check


def test_good_images_have_no_problems(tmp_path):
    (tmp_path / "a b.png").write_bytes(_png())
    images = ["a b.png", (tmp_path / "a b.png").as_uri(), _png(), None]
    check = _check(images, tmp_path)
    assert (check.local, check.remote, check.problems) == (3, 0, [])


def test_what_will_be_cut_is_counted(tmp_path):
    wide = io.BytesIO()
    Image.new("RGB", (9, 8)).save(wide, "PNG")
    assert _check([_png(), wide.getvalue(), wide.getvalue()], tmp_path).cut == 2


@pytest.mark.parametrize(
    ("settings", "cut", "made_at"),
    [
        ({}, 1, {Size(80, 48): 1, Size(64, 64): 1, Size(32, 32): 1}),
        ({"resize": "pad"}, 0, {Size(80, 48): 1, Size(64, 64): 1, Size(32, 32): 1}),
        ({"resize": "crop"}, 1, {Size(64, 64): 2, Size(32, 32): 1}),
        ({"width": 96, "height": 64}, 1, {Size(96, 64): 2, Size(32, 32): 1}),
    ],
)
def test_the_sizes_at_which_images_are_edited_are_counted(tmp_path, settings, cut, made_at):
    wide = io.BytesIO()
    Image.new("RGB", (30, 20)).save(wide, "PNG")
    check = ImageCheck(str(tmp_path), Config(**settings), SIZES)
    for number, (image, size) in enumerate(
        [(wide.getvalue(), None), (_png(), None), (_png(), (32, 32))]
    ):
        check.add(replace(_row(number, image), size=size))
    check.finish()
    assert (check.cut, check.made_at) == (cut, made_at)


def test_an_edit_that_its_format_cannot_hold_at_the_size_of_its_image_is_a_problem(tmp_path):
    (tmp_path / "long.png").write_bytes(_png(16_384, 1))
    for restores, image_format, problems in (
        (True, "webp", 1),
        (True, "jpg", 0),
        (False, "webp", 0),
    ):
        config = Config(restore_size=restores, image_format=image_format)
        check = ImageCheck(str(tmp_path), config, SIZES)
        check.add(_row(5, "long.png"))
        check.finish()
        assert len(check.problems) == problems
        for problem in check.problems:
            assert (problem.row, problem.column) == (5, "image")
            assert "'long.png' has 16384 x 1 pixels, and webp holds" in problem.message


def test_the_size_of_an_edit_is_computed_once_for_each_size_of_images(tmp_path, monkeypatch):
    computed = []

    def box_of(size, *rest):
        computed.append(size)
        return fitting.box_of(size, *rest)

    monkeypatch.setattr(image_check, "box_of", box_of)
    check = _check([_png(), _png(8, 4), _png(), _png()], tmp_path)
    assert sorted(computed) == [Size(8, 4), Size(8, 8)]
    assert check.made_at.total() == 4


def _masked(base, image, mask):
    check = ImageCheck(str(base), Config(), SIZES)
    check.add(replace(_row(3, image), mask=mask))
    check.finish()
    return check


def test_a_mask_is_checked_with_its_image(tmp_path):
    (tmp_path / "wide.png").write_bytes(_png(8, 4))
    for mask in (_white(), _white(16), _white(4)):
        check = _masked(tmp_path, _png(8), mask)
        assert (check.local, check.problems, check.sizes) == (1, [], {Size(8, 8): 1})
    (problem,) = _masked(tmp_path, _png(8), "wide.png").problems
    assert (problem.row, problem.column) == (3, "mask")
    assert "'wide.png' has 8 x 4 pixels, another shape than its image" in problem.message
    (problem,) = _masked(tmp_path, _png(8), "absent.png").problems
    assert (problem.row, problem.column) == (3, "mask")
    assert "'absent.png' does not exist" in problem.message


@pytest.mark.parametrize("sizes", [SIZES, None])
def test_a_mask_that_lets_nothing_change_is_a_problem(tmp_path, sizes):
    for grey, problems in ((0, 1), (127, 1), (128, 0), (255, 0)):
        (tmp_path / "mask.png").write_bytes(_white(8, grey))
        for mask, name in (("mask.png", "image 'mask.png'"), (_white(8, grey), "image")):
            check = ImageCheck(str(tmp_path), Config(), sizes)
            check.add(replace(_row(3, _png(8)), mask=mask))
            check.finish()
            assert len(check.problems) == check.unusable == problems
            for problem in check.problems:
                assert (problem.row, problem.column) == (3, "mask")
                assert problem.message.startswith(f"{name} has no white")


def test_white_in_the_part_that_is_cut_off_is_none(tmp_path):
    wide = Image.new("L", (60, 20))
    wide.paste(255, (0, 0, 5, 20))
    buffer = io.BytesIO()
    wide.save(buffer, "PNG")
    for resize, problems in (("crop", 1), ("pad", 0)):
        check = ImageCheck(str(tmp_path), Config(resize=resize), SIZES)
        check.add(replace(_row(0, _png(60, 20)), mask=buffer.getvalue()))
        check.finish()
        assert len(check.problems) == problems


def test_a_mask_that_cannot_be_decoded_is_a_problem(tmp_path):
    problems = _masked(tmp_path, _png(8), _white()[:-20]).problems
    assert [problem.column for problem in problems] == ["mask"]
    assert "image" in problems[0].message


def test_a_mask_of_a_remote_image_is_fetched_with_it(tmp_path, s3):
    s3.bucket.put_object(Key="a.png", Body=_png())
    s3.bucket.put_object(Key="b.png", Body=_png(8, 2))
    s3.bucket.put_object(Key="white.png", Body=_white())
    check = _masked(tmp_path, "s3://corpora/a.png", "s3://corpora/white.png")
    assert (check.fetched, check.problems) == (1, [])
    (problem,) = _masked(tmp_path, "s3://corpora/a.png", "s3://corpora/b.png").problems
    assert (problem.column, "has 8 x 2 pixels" in problem.message) == ("mask", True)


def _pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist in"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"no image"), "cannot be decoded"),
        (lambda path: path.write_bytes(_png(200)), "at most 10000 are read (images.max_pixels)"),
        (lambda path: path.write_bytes(_png() + bytes(5000)), "(images.max_bytes)"),
        (lambda path: path.mkdir(), "Is a directory"),
        (_pipe, "is not a regular file"),
    ],
)
def test_what_a_run_would_fail_is_found_from_the_header(tmp_path, make, message):
    make(tmp_path / "x.png")
    check = _check(["x.png"], tmp_path, max_pixels=10_000, max_bytes=4000)
    (problem,) = check.problems
    assert problem.row == 0
    assert message in problem.message


def test_bytes_within_the_manifest_are_checked(tmp_path):
    check = _check([_png(), b"no image"], tmp_path)
    assert [problem.row for problem in check.problems] == [1]


def test_every_row_is_checked_and_the_first_problems_are_listed(tmp_path):
    check = _check(["gone.png"] * (CHUNK + 3), tmp_path)
    assert check.unusable == CHUNK + 3
    assert len(check.problems) == 50


def test_schemes_and_hosts_that_are_refused_need_no_connection(tmp_path):
    check = _check(["file://server/x.png"], tmp_path)
    assert "another host" in check.problems[0].message
    check = _check(["x.png"], tmp_path, schemes=("https",))
    assert "does not allow 'file'" in check.problems[0].message


def test_a_sample_of_remote_images_is_fetched(tmp_path, monkeypatch):
    fetched = []

    def read(source, base, limits, timeout_s):
        fetched.append(source)
        return _png() if source.endswith("0.png") else b"no image"

    monkeypatch.setattr(image_check, "read_source", read)
    images = [f"https://host.example/{number}.png" for number in range(200)]
    check = _check(images, tmp_path)
    assert check.remote == 200
    assert check.fetched == len(set(fetched)) == REMOTE_SAMPLE
    assert check.unusable == sum(not source.endswith("0.png") for source in fetched)
    assert max(int(problem.row) for problem in check.problems) > REMOTE_SAMPLE
