"""Source images that are bombs, broken, something else, or out of reach, each with its message."""

import io
import struct
import zlib

import pytest
from PIL import Image

from pipeline.errors import ImageError
from pipeline.generation.source_images import open_source


def _png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header claims what it likes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + body
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def _text_bomb() -> bytes:
    packed = b"zTXt" + b"a\0\0" + zlib.compress(bytes(50_000_000), 9)
    body = struct.pack(">I", len(packed) - 4) + packed + struct.pack(">I", zlib.crc32(packed))
    return _png(64, 64, body)


def _encoded(kind: str, side: int = 32) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(sink, kind)
    return sink.getvalue()


NONE_OF = "its format is not one of PNG, JPEG, WEBP, GIF, BMP, TIFF"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            _png(60_000, 60_000), "far too many pixels; at most 64000000", id="decompression bomb"
        ),
        pytest.param(_png(2**31 - 1, 2**31 - 1), "far too many pixels", id="largest PNG there is"),
        pytest.param(
            _encoded("BMP", 9000)[:54] + bytes(10),
            "9000 x 9000 pixels",
            id="BMP that claims too much",
        ),
        pytest.param(_text_bomb(), "cannot be decoded", id="compressed text bomb"),
        pytest.param(bytes(64_000_001), "more than 64000000 bytes", id="too many bytes"),
        pytest.param(_encoded("JPEG")[:-40], "cannot be decoded", id="JPEG cut short"),
        pytest.param(_png(0, 0), "cannot be decoded", id="no pixels at all"),
        pytest.param(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", NONE_OF, id="PostScript"
        ),
        pytest.param(b"%PDF-1.7\n", NONE_OF, id="PDF"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", NONE_OF, id="SVG"),
        pytest.param(b"\x80\x04cos\nsystem\n(S'true'\ntR.", NONE_OF, id="pickle"),
        pytest.param("/dev/zero", "is not a regular file", id="device"),
        pytest.param("/etc", "is a directory", id="folder"),
        pytest.param("/etc/passwd", NONE_OF, id="secrets"),
        pytest.param("../" * 40 + "etc/passwd", NONE_OF, id="climbing up"),
        pytest.param("a" * 300 + ".png", "File name too long", id="name too long"),
        pytest.param("ftp://host/a.png", "images.schemes does not allow 'ftp'", id="ftp"),
        pytest.param("data:image/png;base64,AAAA", "does not exist", id="data URL"),
        pytest.param(
            "javascript://%0aalert(1)",
            "images.schemes does not allow 'javascript'",
            id="javascript",
        ),
        pytest.param(
            "zip://a.png::/tmp/x.zip", "images.schemes does not allow 'zip'", id="archive"
        ),
        pytest.param(
            "simplecache::https://host/a.png",
            "images.schemes does not allow 'simplecache::https'",
            id="chain",
        ),
        pytest.param("ssh://host/a.png", "images.schemes does not allow 'ssh'", id="ssh"),
        pytest.param(
            "github://owner:repo@/a.png", "images.schemes does not allow 'github'", id="github"
        ),
        pytest.param("http://127.0.0.1:9/a.png", "not public", id="loopback"),
        pytest.param("http://localhost:9/a.png", "not public", id="loopback by name"),
        pytest.param("http://[::1]:9/a.png", "not public", id="loopback, IPv6"),
        pytest.param("http://169.254.169.254/latest/meta-data/", "not public", id="cloud metadata"),
        pytest.param("http://10.0.0.1/a.png", "not public", id="private"),
        pytest.param("http://192.168.1.1/a.png", "not public", id="private, at home"),
        pytest.param("http://2130706433/a.png", "not public", id="loopback as a number"),
        pytest.param("http://0x7f.1/a.png", "not public", id="loopback in hexadecimal"),
        pytest.param("http://0.0.0.0/a.png", "not public", id="no address"),
        pytest.param(
            "http://[::ffff:169.254.169.254]/", "not public", id="metadata, mapped into IPv6"
        ),
        pytest.param(
            "https://user:secret@host.example/a.png", "has a name or a password", id="password"
        ),
        pytest.param(
            "http://host.example:99999999/a.png", "cannot be fetched", id="port out of range"
        ),
        pytest.param("http://[::1/a.png", "cannot be", id="broken address"),
        pytest.param("https:///a.png", "cannot be fetched", id="no host"),
    ],
)
def test_images(tmp_path, source, message):
    with pytest.raises(ImageError) as caught:
        open_source(source, str(tmp_path), 64)
    assert message.lower() in str(caught.value).lower()
