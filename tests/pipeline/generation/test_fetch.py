"""Addresses that pass as public in one form or another, and servers that misbehave."""

import http.server
import io
import socket
import threading
import time

import pytest
from PIL import Image

from pipeline.config_tables import Images
from pipeline.errors import ImageError
from pipeline.generation.fetch import check_address, fetch
from pipeline.generation.source_images import open_source

PRIVATE = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "168.63.129.16")
FORMS = {
    "plain": "{}",
    "mapped": "::ffff:{}",
    "translated (SIIT)": "::ffff:0:{}",
    "compatible": "::{}",
    "NAT64": "64:ff9b::{}",
    "NAT64 of local use": "64:ff9b:1::{}",
    "NAT64 of local use, longer": "64:ff9b:1:ffff::{}",
    "ISATAP": "2001:4860::5efe:{}",
    "ISATAP, universal": "2001:4860::200:5efe:{}",
}


@pytest.mark.parametrize("private", PRIVATE)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_private_address_is_refused_in_every_form(private, form):
    with pytest.raises(ImageError, match="not public"):
        check_address(form.format(private), Images())


@pytest.mark.parametrize(
    "address",
    [
        "::", "::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "feff::1", "ff02::1",
        "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:7f00:1::", "2001:db8::1", "3fff::1", "100::1",
        "5f00::1", "64:ff9b:1::808:808", "4000::1", "0.1.2.3", "100.64.0.1", "100.100.100.200",
        "192.0.0.192", "192.0.0.9", "192.88.99.1", "192.0.2.1", "198.18.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    with pytest.raises(ImageError, match="not public"):
        check_address(address, Images())


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:808:808::1",
    ],
)
def test_public_addresses_are_allowed(address):
    check_address(address, Images())


@pytest.mark.parametrize("host", ["[64:ff9b::a9fe:a9fe]", "[::ffff:0:127.0.0.1]", "168.63.129.16"])
def test_no_connection_is_made_to_what_is_refused(host):
    with pytest.raises(ImageError, match="not public"):
        fetch(f"http://{host}:9/a.png", Images())


def _png() -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(sink, "PNG")
    return sink.getvalue()


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path in ("/image.png", "/%C3%BC%20%2F.png?a=%C3%A4"):
            self._answer(200, _png())
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
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
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_server_inside_is_reached_if_the_config_allows_it(server):
    assert open_source(f"{server}/image.png", "", 64, Images(allow_private=True)).image.size == (
        64,
        64,
    )
    # As a relative name in a manifest that is itself on a server.
    assert open_source("image.png", server, 64, Images(allow_private=True)).image.size == (64, 64)
    with pytest.raises(ImageError, match=r"images\.schemes does not allow 'http'"):
        open_source(f"{server}/image.png", "", 64, Images(allow_private=True, schemes=("https",)))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none.png", "the server answered 404"),
        ("/endless", "more than 1000000 bytes"),
        ("/slow", "took longer than 1 s"),
        ("/slow-headers", "took longer than 1 s"),
        ("/in-circles", "the server answered 302"),
        ("/to-file", "the server answered 302"),
        ("/nonsense", "cannot be fetched"),
        ("/cut", "cannot be fetched: IncompleteRead(10 bytes read, 990 more expected)"),
    ],
)
def test_servers(server, path, message):
    with pytest.raises(ImageError) as caught:
        open_source(
            server + path, "", 64, Images(allow_private=True, max_bytes=1_000_000, timeout_s=1)
        )
    assert message in str(caught.value)


@pytest.mark.parametrize("path", ["/\u00fc %2F.png?a=\u00e4", "/%C3%BC%20%2F.png?a=%C3%A4#part"])
def test_letters_beyond_ascii_are_encoded_and_what_is_encoded_stays(server, path):
    assert fetch(server + path, Images(allow_private=True)) == _png()


@pytest.mark.parametrize(
    "host",
    [
        "127.1", "0177.0.0.1", "0x7f000001", "2130706433", "0", "LOCALHOST", "[::ffff:7f00:1]",
        "[fe80::1%25lo]", "[2002:7f00:1::]", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "127\u30020\u30020\u30021", "inside.example",
    ],
)  # fmt: skip
def test_every_way_of_writing_a_host_that_is_not_public(monkeypatch, host):
    """`inside.example` stands for a name that leads to a private address."""
    real = socket.getaddrinfo

    def resolve(name, *arguments, **options):
        return real("10.0.0.1" if name == "inside.example" else name, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ImageError, match="not public"):
        fetch(f"http://{host}:9/a.png", Images())


def test_a_redirect_does_not_lead_inside(server, monkeypatch):
    """The server passes for a public one; where it sends on to does not."""

    def lenient(address, limits):
        if address != "127.0.0.1":
            check_address(address, limits)

    monkeypatch.setattr("pipeline.generation.fetch.check_address", lenient)
    assert fetch(f"{server}/image.png", Images())
    with pytest.raises(ImageError, match="not public"):
        fetch(f"{server}/to-metadata", Images())
