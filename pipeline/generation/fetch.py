"""Images over http(s), from URLs that are not trusted: public addresses only, with limits on size
and time.

The address is checked where the connection is made. So neither a redirect nor a name that resolves
to something else the second time leads into a private network. Proxies are not used: behind one,
the address cannot be checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import string
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from pipeline.config_tables import Images
from pipeline.errors import ImageError

BLOCK = 1 << 16

SENT_AS_IT_IS = string.punctuation
"""What is not encoded in a URL; with `%`, for it may be encoded already."""


def fetch(url: str, limits: Images) -> bytes:
    """The body behind `url`, at most one byte more than `limits.max_bytes`.

    Raises:
        ImageError: an address that is not public, an answer that is not a success, or a server that
            is too slow.
    """
    if "@" in urlsplit(url).netloc:
        raise ImageError("has a name or a password in its URL, which would end up in the metadata")
    connections: list[socket.socket] = []
    timed_out = threading.Event()

    def close_connections() -> None:
        # One limit for the whole download: a server that sends a byte now and then never meets a
        # socket's timeout.
        timed_out.set()
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    timer = threading.Timer(limits.timeout_s, close_connections)
    timer.daemon = True
    timer.start()
    try:
        opener = _opener(limits, connections)
        with opener.open(_ascii(url), timeout=limits.timeout_s) as response:
            data = b""
            while len(data) <= limits.max_bytes and (block := response.read(BLOCK)):
                data += block
        if timed_out.is_set():
            raise TimeoutError
        if response.length and len(data) <= limits.max_bytes:
            # `read` says nothing of it.
            raise http.client.IncompleteRead(data, response.length)
        return data[: limits.max_bytes + 1]
    except urllib.error.HTTPError as error:
        raise ImageError(f"the server answered {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if timed_out.is_set() or isinstance(cause, TimeoutError):
            raise ImageError(
                f"took longer than {limits.timeout_s:g} s (images.timeout_s)"
            ) from None
        if isinstance(cause, ImageError):
            raise cause from None
        raise ImageError(f"cannot be fetched: {cause}") from None
    finally:
        timer.cancel()


def _ascii(url: str) -> str:
    """A URL as it is sent: letters beyond ASCII, and spaces, encoded as browsers do (RFC 3987)."""
    parts = urlsplit(url)
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    path, query = quote(parts.path, SENT_AS_IT_IS), quote(parts.query, SENT_AS_IT_IS)
    return urlunsplit((parts.scheme, host, path, query, ""))


REFUSED_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "168.63.129.16/32",  # Azure's virtual public address of the host, with its metadata
            "192.0.0.0/24",  # IETF protocol assignments; Oracle's metadata answers at 192.0.0.192
            "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
            "240.0.0.0/4",
            "2001::/23",  # IETF protocol assignments, with Teredo (RFC 4380)
            "2001:db8::/32",
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
"""Not public, though `ipaddress` takes some of them for it, depending on the version of Python."""

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All IPv6 addresses that are assigned so far (RFC 4291). It leaves out every way of writing an
IPv4 address in ::/8, NAT64 of local use (64:ff9b:1::/48), and site-local fec0::/10."""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""How public IPv4 servers are reached from networks that have IPv6 alone (RFC 6052)."""

ISATAP = (0x00005EFE, 0x02005EFE)
"""Bits 64 to 95 of an address whose last 32 bits are an IPv4 address (RFC 5214)."""


def check_address(address: str, limits: Images) -> None:
    """Refuse an address that is not public, in any form, unless the config allows it.

    Args:
        address: IPv4 or IPv6, with or without a zone.

    Raises:
        ImageError: the address is not public.
    """
    if not limits.allow_private and not is_public(ipaddress.ip_address(address.partition("%")[0])):
        raise ImageError(
            "leads to an address that is not public; images.allow_private = true allows it"
        )


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address, and any IPv4 address that it is a form of, can be reached by
    everybody."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        last_32_bits = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address in NAT64:
            return is_public(last_32_bits)
        if address not in GLOBAL_UNICAST:
            return False
        if address.sixtofour is not None and not is_public(address.sixtofour):
            return False
        if (int(address) >> 32) & 0xFFFFFFFF in ISATAP and not is_public(last_32_bits):
            return False
    if any(address in network for network in REFUSED_NETWORKS):
        return False
    return address.is_global and not address.is_multicast


def _opener(limits: Images, connections: list[socket.socket]) -> urllib.request.OpenerDirector:
    """Opens http(s) and nothing else, without proxies; each connection that it makes is added to
    `connections`."""

    def connect(host: tuple[str, int], timeout: Any = None, source: Any = None) -> socket.socket:
        error: Exception = OSError("the host name has no address")
        addresses = socket.getaddrinfo(*host, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in addresses:
            check_address(str(address[0]), limits)
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(timeout)
            connections.append(connection)
            try:
                connection.connect(address)
                return connection
            except OSError as refused:
                connection.close()
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
