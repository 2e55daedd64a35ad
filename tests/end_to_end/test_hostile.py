"""Hostile and broken inputs, each with the message that it is met with. Nothing here is mocked but name resolution."""

import http.server
import io
import json
import os
import shutil
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file

from manifests.check import ManifestError
from manifests.read import check
from muse.emotions import MIKELS
from pipeline.config import Config, Images
from pipeline.errors import ImageError, UserError
from pipeline.generation.fetch import check_address
from pipeline.generation.source_images import open_source
from pipeline.models.locate import locate
from pipeline.output.verify import verify
from pipeline.settings import load_config
from tests.support import drive

LONG = "x" * 4096


def _told(path) -> str:
    with pytest.raises(ManifestError) as caught:
        check(str(path), MIKELS.labels, len(MIKELS))
    told = str(caught.value)
    # Whatever is quoted, it does not reach a terminal as it is.
    assert all(letter.isprintable() or letter == "\n" for letter in told)
    return told


def _prompts(**columns) -> pa.Table:
    return pa.table({"prompt": ["a dog"], **columns})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param(pa.table({"prompt": ["a\0dog"]}), "U+0000 at place 1", id="NUL in a prompt"),
        pytest.param(pa.table({"prompt": ["\x1b[2Ja dog"]}), "U+001B at place 0", id="escape sequence"),
        pytest.param(pa.table({"prompt": ["a dog\x9b31m"]}), "U+009B at place 5", id="C1 control"),
        pytest.param(pa.table({"prompt": ["x" * 10_001]}), "has 10001 characters; at most 10000", id="endless prompt"),
        pytest.param(pa.table({"prompt": ["\u2003\n"]}), "is empty", id="prompt of white space"),
        pytest.param(_prompts(negative_prompt=["a\0"]), "column 'negative_prompt': has the character U+0000", id="neg"),
        pytest.param(_prompts(id=["a\0b"]), "column 'id': has the character U+0000", id="NUL in an id"),
        pytest.param(_prompts(id=["a\nb"]), "U+000A at place 1", id="newline in an id"),
        pytest.param(_prompts(id=["a\rb"]), "U+000D at place 1", id="carriage return in an id"),
        pytest.param(_prompts(id=["invoice\u202egnp.exe"]), "U+202E at place 7", id="right-to-left override"),
        pytest.param(_prompts(id=["a\u200bb"]), "U+200B at place 1", id="zero-width space"),
        pytest.param(_prompts(id=["\ufeffa"]), "U+FEFF at place 0", id="byte order mark"),
        pytest.param(_prompts(id=["a\u2028b"]), "U+2028 at place 1", id="line separator"),
        pytest.param(_prompts(id=["\U000e0041"]), "U+E0041 at place 0", id="tag character"),
        pytest.param(_prompts(id=[LONG]), "has 4096 characters; at most 512", id="4096 characters of id"),
        pytest.param(_prompts(image=["a\0.png"]), "column 'image': has the character U+0000", id="NUL in a path"),
        pytest.param(_prompts(image=["x" * 5000]), "has 5000 characters; at most 4096", id="endless path"),
        pytest.param(_prompts(emotion=["joy\x1b[31m" * 999]), "unknown emotion 'joy\\x1b[31m", id="emotion"),
        pytest.param(_prompts(emotion=["../../etc/passwd"]), "unknown emotion '../../etc/passwd'", id="a path"),
        pytest.param(_prompts(seed=pa.array([2**64 - 1], pa.uint64())), "column 'seed': is 18446", id="seed too large"),
        pytest.param(_prompts(**{"a\nb": [1]}), "its name has the character U+000A", id="newline in a column's name"),
        pytest.param(_prompts(**{"\u202eevil": [1]}), "its name has the character U+202E", id="override in a name"),
        pytest.param(_prompts(**{LONG: [1]}), "its name has 4096 characters", id="column's name of 4096 characters"),
        pytest.param(_prompts(**{" ": [1]}), "has a column without a name", id="column without a name"),
        pytest.param(pa.table([["a"], [1], [2]], ["prompt", "x", "x"]), "column 'x': is there 2 times", id="twice"),
        pytest.param(pa.table([["a"], ["b"]], ["prompt", "prompt"]), "'prompt': is there 2 times", id="two prompts"),
        pytest.param(
            _prompts(when=pa.array([2**62], pa.timestamp("us"))), "column 'when': cannot be read between rows 0 and 0",
            id="a date beyond the calendar",
        ),
        pytest.param(
            _prompts(emotion=pa.array([[("awe", float("inf"))]], pa.map_(pa.string(), pa.float64()))),
            "the weight of 'awe' is inf", id="infinite weight",
        ),
        pytest.param(
            _prompts(emotion=pa.array([[("awe", float("nan"))]], pa.map_(pa.string(), pa.float64()))),
            "the weight of 'awe' is nan", id="weight that is no number",
        ),
    ],
)  # fmt: skip
def test_manifests(tmp_path, table, message):
    pq.write_table(table, tmp_path / "manifest.parquet")
    assert message in _told(tmp_path / "manifest.parquet")


def _sound() -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"prompt": [f"a dog {n}" for n in range(5000)]}), sink, compression="none"
    )
    return sink.getvalue()


def _bad_text() -> bytes:
    """Text that is no UTF-8: written as bytes, declared as text."""
    sink = io.BytesIO()
    raw = pa.array([b"a \xff\xfe dog"], pa.binary())
    pq.write_table(pa.table({"prompt": pa.Array.from_buffers(pa.string(), 1, raw.buffers())}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is not a parquet file", id="empty"),
        pytest.param(b"PAR1PAR1", "is not a parquet file", id="nothing but magic"),
        pytest.param(
            b"PAR1" + b"\xff" * 100 + b"PAR1", "is not a parquet file", id="absurd footer"
        ),
        pytest.param(_sound()[:-200], "is not a parquet file", id="cut short"),
        pytest.param(
            b"PAR1" + bytes(20_000) + _sound()[20_004:], "is damaged", id="pages overwritten"
        ),
        pytest.param(
            _bad_text(), "column 'prompt': cannot be read between rows 0 and 0", id="no UTF-8"
        ),
        pytest.param(b"\x80\x04cos\nsystem\n(S'true'\ntR.", "is not a parquet file", id="pickle"),
        pytest.param(b"PK\x03\x04" + bytes(100), "is not a parquet file", id="zip"),
    ],
)
def test_manifest_files(tmp_path, data, message):
    (tmp_path / "manifest.parquet").write_bytes(data)
    assert message in _told(tmp_path / "manifest.parquet")


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


NONE_OF = "it is none of PNG, JPEG, WEBP, GIF, BMP, TIFF"


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


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="is not a regular file"):
        open_source("pipe.png", str(tmp_path), 64)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "fe80::1%eth0",
        "fc00::1",
        "224.0.0.1",
        "100.64.0.1",
        "2002:7f00:1::",
        "::",
        "255.255.255.255",
    ],
)
def test_addresses_that_are_not_public(address):
    with pytest.raises(ImageError, match="not public"):
        check_address(address, Images())
    check_address(address, Images(allow_private=True))
    check_address("1.1.1.1", Images())


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/image.png":
            self._answer(200, _encoded("PNG"))
        elif self.path == "/to-metadata":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()
        elif self.path == "/to-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif self.path == "/in-circles":
            self.send_response(302)
            self.send_header("Location", "/in-circles")
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            self._drip(b"x" * 65536, 0)
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            self._drip(b"x", 0.05)
        elif self.path == "/slow-headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            self._drip(b"X", 0.05)
        elif self.path == "/nonsense":
            self.wfile.write(b"\x00\xff\x00 what?\r\n\r\n")
        else:
            self._answer(404, b"")

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, piece: bytes, seconds: float) -> None:
        try:
            while True:
                self.wfile.write(piece)
                time.sleep(seconds)
        except OSError:
            return

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_server_inside_is_reached_if_the_config_allows_it(server):
    assert open_source(f"{server}/image.png", "", 64, Images(allow_private=True)).image.size == (
        64,
        64,
    )
    # As a relative name in a manifest that itself lies on a server.
    assert open_source("image.png", server, 64, Images(allow_private=True)).image.size == (64, 64)
    with pytest.raises(ImageError, match=r"images\.schemes does not allow 'http'"):
        open_source(f"{server}/image.png", "", 64, Images(allow_private=True, schemes=("https",)))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none.png", "the server answers 404"),
        ("/endless", "more than 1000000 bytes"),
        ("/slow", "took longer than 1 s"),
        ("/slow-headers", "took longer than 1 s"),
        ("/in-circles", "the server answers 302"),
        ("/to-file", "the server answers 302"),
        ("/nonsense", "cannot be fetched"),
    ],
)
def test_servers(server, path, message):
    with pytest.raises(ImageError) as caught:
        open_source(
            server + path, "", 64, Images(allow_private=True, max_bytes=1_000_000, timeout_s=1)
        )
    assert message in str(caught.value)


def test_a_redirect_does_not_lead_inside(server, monkeypatch):
    """The server passes for a public one; where it sends on to does not."""
    from pipeline.generation import fetch

    def lenient(address, limits):
        if address != "127.0.0.1":
            check_address(address, limits)

    monkeypatch.setattr(fetch, "check_address", lenient)
    assert fetch.fetch(f"{server}/image.png", Images())
    with pytest.raises(ImageError, match="not public"):
        fetch.fetch(f"{server}/to-metadata", Images())


@pytest.fixture
def model(tmp_path) -> Path:
    """A classifier folder that is sound."""
    return Path(shutil.copytree("muse/mini/weights/guide", tmp_path / "model"))


def _settings(model: Path, **more) -> None:
    file = model / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))


def _pickle_only(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'touch /tmp/owned'\ntR.")


def _huge_header(model: Path) -> None:
    (model / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _beyond_the_end(model: Path) -> None:
    header = json.dumps(
        {"w": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}
    ).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def _index(model: Path, name: str) -> None:
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))


def _custom_part(model: Path) -> None:
    (model / "model_index.json").write_text(
        json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["evil", "U"]})
    )


def _pickled_part(model: Path) -> None:
    (model / "unet").mkdir()
    (model / "unet" / "config.json").write_text("{}")
    (model / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(_pickle_only, "pytorch_model.bin is pickled, which can run any code", id="bin"),
        pytest.param(_pickled_part, "unet/diffusion_pytorch_model.bin is pickled", id="one part pickled"),
        pytest.param(lambda m: (m / "model.safetensors").unlink(), "it has no .safetensors weights", id="no weights"),
        pytest.param(lambda m: os.truncate(m / "model.safetensors", 5000), "model.safetensors is damaged", id="cut"),
        pytest.param(lambda m: (m / "model.safetensors").write_bytes(b""), "model.safetensors is damaged", id="empty"),
        pytest.param(_huge_header, "model.safetensors is damaged", id="header of 2^60 bytes"),
        pytest.param(_beyond_the_end, "model.safetensors is damaged", id="tensor beyond the end"),
        pytest.param(
            lambda m: _settings(m, auto_map={"AutoModelForImageClassification": "evil.Evil"}),
            "config.json asks for code of its own", id="remote code",
        ),
        pytest.param(_custom_part, "asks for code of its own for 'unet'", id="remote code of a part"),
        pytest.param(lambda m: (m / "config.json").write_text("{"), "config.json is not JSON", id="broken JSON"),
        pytest.param(lambda m: (m / "config.json").write_text("[" * 99_999), "config.json is not JSON", id="deep JSON"),
        pytest.param(lambda m: (m / "config.json").write_text("[]"), "is not a table of settings", id="no table"),
        pytest.param(lambda m: (m / "config.json").write_bytes(b"\xff\xfe"), "config.json is not JSON", id="no UTF-8"),
        pytest.param(lambda m: _index(m, "../../secret.safetensors"), "do not lie beside it", id="index climbs up"),
        pytest.param(lambda m: _index(m, "/etc/passwd"), "do not lie beside it", id="index is absolute"),
        pytest.param(lambda m: _index(m, "gone.safetensors"), "do not lie beside it", id="part of the weights gone"),
    ],
)  # fmt: skip
def test_model_folders(model, spoil, message):
    spoil(model)
    with pytest.raises(UserError) as caught:
        locate(Config(guide=str(model)))
    assert message in str(caught.value)
    assert str(caught.value).startswith("--guide ")


def test_sound_folders_are_trusted(model):
    (model / "training_args.bin").write_bytes(b"left over, and never read")
    save_file({"w": np.zeros(3, np.float32)}, model / "more.safetensors")
    assert locate(Config(guide=str(model)))["guide"].path == str(model)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 50_000, "nested too deeply"),
        ("seed = 1e999", "seed is inf; give a whole number"),
        (
            "seed = 99999999999999999999999",
            "seed is 99999999999999999999999; give a whole number from 0",
        ),
        ("batch_size = 1000000", "batch_size is 1000000; give a whole number from 1 to 1024"),
        ("min_confidence = nan", "min_confidence is nan"),
        ("seed = 1979-05-27", "give a whole number"),
        ("method = 3", "it is a table of its own: [method]"),
        ("[null]\ndelay = -1", "null was removed"),
        ("[images]\nschemes = 'file'", "schemes is 'file'; give a list of texts"),
        ("[images]\nallow_private = 1", "images.allow_private is 1; give true or false"),
        ('image_format = "../../x"', "give one of png, jpg, webp"),
        ('engine = "os.system"', "give one of muse, null"),
        ('"__class__" = 1', "unknown key __class__"),
        ('"\\u001b[31m" = 1', "unknown key '\\x1b[31m'"),
        ("seed = 1\nseed = 2", "not valid TOML"),
        ("\0", "not valid TOML"),
        ("# " + "x" * 1_000_001, "more than 1,000,000 bytes"),
        (f"model = '{'x' * 300}'\nseed = 'x'", "seed is 'x'; give a whole number"),
    ],
)
def test_config_files(tmp_path, text, message):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(file, [], {})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("seed=1\nbatch_size = 2", "give a whole number"),
        ("seed=" + "[" * 50_000, "give a whole number"),
        ("seed.x.y=1", "seed"),
        ("..=1", "unknown key"),
    ],
)
def test_assignments(assignment, message):
    with pytest.raises(UserError) as caught:
        load_config(None, [assignment], {})
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_files_that_are_no_config(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    os.mkfifo(tmp_path / "pipe.toml")
    for name in ("binary.toml", "pipe.toml", ".", "none.toml"):
        with pytest.raises(UserError, match="cannot be read"):
            load_config(tmp_path / name, [], {})


def test_names_that_try_to_escape_stay_text_and_nothing_is_written_outside(tmp_path, monkeypatch):
    """Values that are lawful and look like paths, tar names, markdown or formulas: kept to the letter, and harmless."""
    home = tmp_path / "home"
    tricks = [
        "../../escaped",
        "/etc/passwd",
        "a/b",
        "a.tar",
        "| x |",
        "`rm`",
        "<script>",
        "=1+1",
        "C:\\x",
        "CON",
        "~",
        "-rf",
    ]
    columns = {
        "id": tricks,
        "../../column": tricks,
        "key": tricks,
        "score": [float("nan")] * len(tricks),
    }
    manifest = drive.write_manifest(
        home / "manifest.parquet", [f"../{trick} \u202e\n---" for trick in tricks], **columns
    )
    (home / "work").mkdir()
    before = set(tmp_path.rglob("*"))
    out = home / "out"
    monkeypatch.chdir(home / "work")
    done = drive.run(manifest, out, "--min-confidence", 0)
    assert done.returncode == 0, done.stderr
    after = set(tmp_path.rglob("*"))
    assert all(path == out or out in path.parents for path in after - before)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md", "_state", "contact_sheet.png", "metadata.parquet", "run.json", "shards",
    ]  # fmt: skip
    import tarfile

    import webdataset

    tars = sorted(str(path) for path in (out / "shards").glob("*.tar"))
    for tar in tars:
        with tarfile.open(tar) as archive:
            assert all(
                member.isfile() and "/" not in member.name and ".." not in member.name
                for member in archive
            )
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode())
    assert [sample["json"]["id"] for sample in samples] == tricks
    assert [sample["json"]["manifest"]["../../column"] for sample in samples] == tricks
    assert {sample["json"]["manifest"]["score"] for sample in samples} == {None}
    assert [row["id"] for row in drive.rows(out)] == tricks
    assert verify(out) == []
    card = (out / "README.md").read_text()
    assert not any(trick in card for trick in ("escaped", "passwd", "<script>", "`rm`"))
