"""Source images: which file or URL is read, what is refused, and how the picture is cut."""

import io
import os
import unicodedata
from urllib.parse import quote

import pytest
from PIL import Image

from muse.images import to_tensor
from muse.sizes import ModelSizes, Size
from pipeline.config_tables import Images
from pipeline.errors import ImageError
from pipeline.generation.source_images import open_image, open_source, read_source


def _bytes(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _stripes(width, height):
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width, height // 2))
    return image


def test_a_path_a_url_and_bytes_are_the_same_image(tmp_path):
    data = _bytes(_stripes(80, 80))
    (tmp_path / "a.png").write_bytes(data)
    sources = ("a.png", str(tmp_path / "a.png"), f"file://{tmp_path}/a.png", data)
    images = {open_source(source, str(tmp_path), 64).image.tobytes() for source in sources}
    assert len(images) == 1


@pytest.mark.parametrize(
    "name", ["a b.png", "\u00fc\u00e4.png", "100%.png", "a#b?c.png", "a%20b.png"]
)
def test_file_urls_are_read_in_every_customary_form(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"content")
    encoded = file.as_uri()
    path = encoded.removeprefix("file://")
    forms = [encoded, f"FILE://{path}", f"file://localhost{path}", f"file://LocalHost{path}"]
    forms += [f"file:{path}", f"file://{file}"]
    for form in forms:
        assert read_source(form, "") == b"content", form
    assert read_source(name, tmp_path.as_uri()) == b"content"


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("named", ["NFC", "NFD"])
def test_a_name_with_accents_is_found_in_either_form_of_unicode(tmp_path, on_disk, named):
    name = "f\u00fc\u00df.png"
    Image.new("RGB", (8, 8)).save(tmp_path / unicodedata.normalize(on_disk, name))
    given = unicodedata.normalize(named, name)
    for source in (given, str(tmp_path / given), f"file://{tmp_path}/{quote(given)}"):
        assert open_source(source, str(tmp_path), 8).image.size == (8, 8)


def test_a_file_url_of_another_host_is_refused(tmp_path):
    with pytest.raises(ImageError, match="is on another host"):
        read_source(f"file://server{tmp_path}/a.png", "")


def test_a_missing_file_names_the_folder_that_was_searched(tmp_path):
    with pytest.raises(ImageError) as caught:
        read_source("pictures/a.png", str(tmp_path))
    assert (
        f"does not exist in {tmp_path}; relative paths refer to the folder of the manifest"
        in str(caught.value)
    )


@pytest.mark.parametrize("source", [b"", "empty.png"])
def test_no_bytes_are_no_image(tmp_path, source):
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ImageError, match="is empty"):
        read_source(source, str(tmp_path))


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="is not a regular file"):
        read_source("pipe.png", str(tmp_path))


SIZES = ModelSizes(Size(64, 64), 16)


def test_a_wide_image_keeps_its_centre():
    wide = Image.new("RGB", (300, 100), "black")
    wide.paste("white", (100, 0, 200, 100))
    square = open_image(_bytes(wide), SIZES, resize="crop")
    assert to_tensor(square.image).min() > 0.9
    assert (square.width, square.height, square.crop) == (300, 100, (100, 0, 200, 100))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"this is no image", "cannot be decoded"),
        (_bytes(_stripes(64, 64))[:100], "cannot be decoded"),
        ("gopher://host/x.png", "images.schemes does not allow 'gopher'"),
        (_bytes(Image.new("1", (9000, 9000))), "at most 64000000 are read"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(tmp_path, source, message):
    with pytest.raises(ImageError, match=message):
        open_source(source, str(tmp_path), 64)


def test_paths_are_refused_where_the_scheme_file_is(tmp_path):
    (tmp_path / "a.png").write_bytes(b"content")
    for source in ("a.png", (tmp_path / "a.png").as_uri(), f"FILE://{tmp_path}/a.png"):
        with pytest.raises(ImageError, match="does not allow 'file'"):
            read_source(source, str(tmp_path), Images(schemes=("https",)))
