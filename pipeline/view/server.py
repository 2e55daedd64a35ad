"""The server of the local page: on this machine alone, for whoever has the token in its address."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

import pyarrow as pa
from aiohttp import web

from muse.images import UnreadableImageError
from pipeline.errors import UserError
from pipeline.view.browser import Browser
from pipeline.view.columns import QueryError

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""Hosts under which a browser on this machine reaches it. A page of another site that resolves its
own name to this machine (DNS rebinding) sends that name, and is refused."""

STATIC = {
    "": ("view.html", "text/html"),
    "view.js": ("view.js", "text/javascript"),
    "view.css": ("view.css", "text/css"),
}

SIDES = (160, 320)
"""Longer edges of thumbnails, pixels."""

SOURCE_SIDE = 1024

MAX_REQUEST = 1 << 20
"""Bytes of a request's body."""

MAX_DIGITS = 18
"""Of the position of a row in an address."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
KEPT = "private, max-age=86400, immutable"
"""For pictures, whose addresses hold the version of what is shown."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BROWSER = web.AppKey("browser", Browser)


def application(browser: Browser, token: str) -> web.Application:
    """The server's routes; all are under the token."""
    app = web.Application(middlewares=[_guarded(token)], client_max_size=MAX_REQUEST)
    app[BROWSER] = browser
    app.add_routes(
        [
            web.get("/{token}/{name:[a-z.]*}", _static),
            web.get("/{token}/api/corpus", _corpus),
            web.post("/{token}/api/query", _query),
            web.get("/{token}/api/items", _items),
            web.get("/{token}/api/sample/{position:[0-9]+}", _sample),
            web.post("/{token}/api/flag", _flag),
            web.post("/{token}/api/reload", _reload),
            web.get("/{token}/thumbnail/{position:[0-9]+}", _thumbnail),
            web.get("/{token}/picture/{position:[0-9]+}", _picture),
            web.get("/{token}/source/{position:[0-9]+}", _source),
        ]
    )
    return app


def serve(browser: Browser, port: int, on_start: Callable[[str], None]) -> None:
    """Serve until the process is interrupted.

    Args:
        port: 0 for any that is free.
        on_start: is called with the page's address.

    Raises:
        OSError: the port is taken.
    """
    asyncio.run(_serve(browser, port, on_start))


async def _serve(browser: Browser, port: int, on_start: Callable[[str], None]) -> None:
    token = secrets.token_urlsafe(24)
    # What is no HTTP is answered with 400; aiohttp would print a traceback for it, too.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    runner = web.AppRunner(application(browser, token), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        on_start(f"http://{HOST}:{runner.addresses[0][1]}/{token}/")
        # With its first value Arrow imports pandas, where that is installed: a second that would
        # otherwise be the first filter's.
        await asyncio.to_thread(pa.scalar, "")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _guarded(token: str) -> Any:
    """Refuse other hosts, other sites and wrong tokens; add the headers; turn errors into text."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler, token)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return guard


async def _answer(request: web.Request, handler: Handler, token: str) -> web.StreamResponse:
    host = (request.headers.get("Host") or "").rpartition(":")[0]
    if host not in NAMES:
        return _text(403, "this host is not served")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.headers['Host']}":
        return _text(403, "requests of other sites are not served")
    given = request.match_info.get("token", "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        return _text(403, "wrong token: use the address that `muse-batch view` printed")
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _text(error.status, error.reason)
    except IndexError:
        return _text(404, "there is no such sample")
    except QueryError as error:
        return _text(400, str(error))
    except (UserError, UnreadableImageError, OSError, pa.ArrowException) as error:
        return _text(500, str(error))


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in STATIC:
        raise web.HTTPNotFound
    file, content_type = STATIC[name]
    data = resources.files("pipeline.view").joinpath("static", file).read_bytes()
    return web.Response(body=data, content_type=content_type, charset="utf-8")


async def _corpus(request: web.Request) -> web.Response:
    return web.json_response(await asyncio.to_thread(request.app[BROWSER].summary))


async def _query(request: web.Request) -> web.Response:
    asked = await _body(request)
    return web.json_response(await asyncio.to_thread(request.app[BROWSER].query, asked))


async def _body(request: web.Request) -> Any:
    """What a request holds.

    Raises:
        QueryError: it is no JSON.
    """
    try:
        asked = json.loads(await request.read())
        # Half of a surrogate pair is no text, though JSON may write it.
        json.dumps(asked, ensure_ascii=False).encode()
        return asked
    except (ValueError, RecursionError) as error:
        raise QueryError(f"the request is no JSON: {error}") from None


async def _items(request: web.Request) -> web.Response:
    try:
        numbers = [int(request.query[name]) for name in ("answer", "start", "count")]
    except (KeyError, ValueError):
        raise QueryError("answer, start and count are whole numbers") from None
    return web.json_response(await asyncio.to_thread(request.app[BROWSER].items, *numbers))


async def _sample(request: web.Request) -> web.Response:
    sample = await asyncio.to_thread(request.app[BROWSER].sample, _position(request))
    return web.json_response(sample)


async def _flag(request: web.Request) -> web.Response:
    asked = await _body(request)
    if not isinstance(asked, dict) or not isinstance(asked.get("keys"), list):
        raise QueryError("a flag needs keys")
    browser = request.app[BROWSER]
    counts = await asyncio.to_thread(browser.flag, asked["keys"], asked.get("flag"))
    return web.json_response(counts)


async def _reload(request: web.Request) -> web.Response:
    await asyncio.to_thread(request.app[BROWSER].reload)
    return await _corpus(request)


async def _thumbnail(request: web.Request) -> web.Response:
    side = SIDES[request.query.get("side") == str(SIDES[1])]
    browser = request.app[BROWSER]
    data = await asyncio.to_thread(browser.thumbnail, _position(request), side)
    return _image(data, "image/webp")


async def _picture(request: web.Request) -> web.Response:
    browser = request.app[BROWSER]
    data = await asyncio.to_thread(browser.picture, _position(request))
    suffix = browser.rows.run.config["image_format"]
    return _image(data, f"image/{'jpeg' if suffix == 'jpg' else suffix}")


async def _source(request: web.Request) -> web.Response:
    browser = request.app[BROWSER]
    data = await asyncio.to_thread(browser.source, _position(request), SOURCE_SIDE)
    return _image(data, "image/webp")


def _image(data: bytes | None, content_type: str) -> web.Response:
    if data is None:
        raise web.HTTPNotFound
    return web.Response(body=data, content_type=content_type, headers={"Cache-Control": KEPT})


def _position(request: web.Request) -> int:
    digits = request.match_info["position"]
    if len(digits) > MAX_DIGITS:
        raise web.HTTPNotFound
    return int(digits)
