"""Images over http(s), from addresses that strangers wrote down: public addresses only, with limits on size and time.

The address is checked where the connection is made, so that neither a redirect nor a name that resolves to something
else the second time leads inside. Proxies are not used: behind one, the address that is reached cannot be checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from pipeline.config import Images
from pipeline.errors import ImageError

BLOCK = 1 << 16


def fetch(url: str, limits: Images) -> bytes:
    """The body behind `url`, one byte more than `limits.bytes` at most.

    Raises:
        ImageError: an address that is not public, an answer that is no success, or too slow.
    """
    if "@" in urlsplit(url).netloc:
        raise ImageError("carries a name or a password, which would end up in the metadata")
    calls: list[socket.socket] = []
    late = threading.Event()

    def hang_up() -> None:
        # One limit for all of it: a server that sends a byte now and then passes every time-out of a socket.
        late.set()
        for call in calls:
            try:
                call.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    timer = threading.Timer(limits.seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        with _opener(limits, calls).open(url, timeout=limits.seconds) as answer:
            data = b""
            while len(data) <= limits.bytes and (block := answer.read(BLOCK)):
                data += block
        if late.is_set():
            raise TimeoutError
        return data[: limits.bytes + 1]
    except urllib.error.HTTPError as error:
        raise ImageError(f"the server answers {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if late.is_set() or isinstance(cause, TimeoutError):
            raise ImageError(f"took longer than {limits.seconds:g} s (images.seconds)") from None
        if isinstance(cause, ImageError):
            raise cause from None
        raise ImageError(f"cannot be fetched: {cause}") from None
    finally:
        timer.cancel()


def check_address(address: str, limits: Images) -> None:
    """
    Raises:
        ImageError: the address is not public, and the config does not allow such.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None) or found
    if not limits.private and (not found.is_global or found.is_multicast):
        raise ImageError("leads to an address that is not public; images.private allows such")


def _opener(limits: Images, calls: list[socket.socket]) -> urllib.request.OpenerDirector:
    """Opens http(s) and nothing else, without proxies; every connection that it makes is added to `calls`."""

    def connect(where: tuple[str, int], timeout: Any = None, source: Any = None) -> socket.socket:
        error: Exception = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            *where, type=socket.SOCK_STREAM
        ):
            check_address(str(address[0]), limits)
            call = socket.socket(family, kind, protocol)
            call.settimeout(timeout)
            calls.append(call)
            try:
                call.connect(address)
                return call
            except OSError as refused:
                call.close()
                error = refused
        raise error

    class Plain(http.client.HTTPConnection):
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, **options)
            self._create_connection = connect

    class Secure(http.client.HTTPSConnection):
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, **options)
            self._create_connection = connect

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, request)

    opener = urllib.request.OpenerDirector()
    for handler in (
        PlainHandler(),
        SecureHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "muse-batch")]
    return opener
