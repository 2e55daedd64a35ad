"""A real server that speaks S3, on loopback, and a proxy before it that breaks things by a seed."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("500", "503", "cut upload", "cut download", "delay", "silence", "expired")
DELAY = 0.8
"""Seconds."""
_HOPS = {
    "connection",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
    "expect",
    "content-length",
}
_ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>injected</Message></Error>"


def s3_environment(url: str) -> dict[str, str]:
    """What tells a process to speak S3 with the server at `url`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIDTESTING",
        "AWS_SECRET_ACCESS_KEY": "very-secret-key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Proxy:
    """Passes HTTP requests on to a server on loopback, and breaks some of them.

    Attributes:
        rates: a share in [0, 1] for each of `FAULTS`; may be changed at any time.
        only: the HTTP methods that are broken.
        counts: how often each fault was injected.
    """

    def __init__(self, upstream: int, seed: int, rates: Mapping[str, float] | None = None):
        self.upstream, self.rates, self.only = (
            upstream,
            dict(rates or {}),
            ("GET", "PUT", "POST", "HEAD", "DELETE"),
        )
        self.counts: Counter[str] = Counter()
        self.random, self.lock = random.Random(seed), threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return lambda: proxy.serve(self)
                raise AttributeError(name)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fault(self, method: str) -> str | None:
        with self.lock:
            drawn = self.random.random()
            for name in FAULTS if method in self.only else ():
                drawn -= self.rates.get(name, 0.0)
                if drawn < 0:
                    self.counts[name] += 1
                    return name
        return None

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        fault = self.fault(handler.command)
        if fault == "cut upload":
            handler.rfile.read(int(handler.headers.get("content-length", 0)) // 2)
            handler.close_connection = True
            handler.connection.close()
            return
        body = self._body(handler)
        if fault in ("500", "503"):
            body = _ERROR.format("SlowDown" if fault == "503" else "InternalError").encode()
            self._answer(handler, int(fault), {"Content-Type": "application/xml"}, body, len(body))
            return
        if fault == "expired":
            body = _ERROR.format("ExpiredToken").encode()
            self._answer(handler, 403, {"Content-Type": "application/xml"}, body, len(body))
            return
        if fault == "delay":
            time.sleep(DELAY)
        if fault == "silence":  # until the client hangs up
            with contextlib.suppress(OSError):
                handler.rfile.read(1)
            handler.close_connection = True
            return
        link = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        headers = {
            name: value for name, value in handler.headers.items() if name.lower() not in _HOPS
        }
        link.request(handler.command, handler.path, body, headers)
        answer = link.getresponse()
        data = answer.read()
        passed_headers = {
            name: value for name, value in answer.getheaders() if name.lower() not in _HOPS
        }
        size = (
            int(answer.getheader("content-length") or len(data))
            if handler.command == "HEAD"
            else len(data)
        )
        if fault == "cut download":
            data = data[: len(data) // 2]
            handler.close_connection = True
        self._answer(handler, answer.status, passed_headers, data, size)
        link.close()

    @staticmethod
    def _answer(
        handler: BaseHTTPRequestHandler, status: int, headers, data: bytes, size: int
    ) -> None:
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(size))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)
        handler.wfile.flush()

    @staticmethod
    def _body(handler: BaseHTTPRequestHandler) -> bytes:
        if "chunked" not in handler.headers.get("transfer-encoding", ""):
            return handler.rfile.read(int(handler.headers.get("content-length", 0)))
        body = b""
        while size := int(handler.rfile.readline().split(b";")[0], 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        while handler.rfile.readline().strip():
            pass
        return body
