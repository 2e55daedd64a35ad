"""Paths and URLs as users write them, in the one form that the rest of the code expects."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from pipeline.errors import UserError

SCHEMES = ("s3", "s3a", "gs", "gcs", "hf", "az", "abfs", "abfss", "http", "https", "memory")
"""Schemes that are recognised even where the slashes after them are wrong."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_CHAINED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::(?P<inner>.*)", re.DOTALL)
_COLON = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)


def normalized(text: str) -> str:
    """A local path, or a URL `scheme://...` with its scheme in lower case.

    A path may begin with `~`. URLs of files become paths, also `file:/x` and `file://localhost/x`
    (RFC 8089).

    Raises:
        UserError: nothing, a URL that would be taken for the name of a local folder, a file of
            another machine, a chain of protocols, or memory.
    """
    if not text.strip():
        raise UserError("an empty path was given; name a file, a folder or a URL")
    if _COLON.fullmatch(text.strip()):
        text = text.strip()
    if chained := _CHAINED.fullmatch(text):
        raise UserError(f"{text}: chained URLs are not supported; write {chained['inner']}")
    if url := _URL.fullmatch(text):
        scheme, rest = url["scheme"].lower(), url["rest"]
        if scheme == "memory":
            raise UserError(
                f"{text}: memory is gone when the command ends; give a folder or an object store"
            )
        if scheme == "file":
            return _path_of(text)
        if not rest.partition("/")[0]:
            raise UserError(f"{text}: names no bucket or host; write {scheme}://NAME/PATH")
        return f"{scheme}://{rest}"
    if colon := _COLON.fullmatch(text):
        scheme, rest = colon["scheme"].lower(), colon["rest"]
        if scheme == "file" and rest.startswith("/"):
            return unquote(rest)
        if scheme in SCHEMES:
            raise UserError(f"{text}: is not a URL; write {scheme}://{rest.lstrip('/')}")
    # A shell does not expand the one in `--output=~/corpus`.
    return os.path.expanduser(text)


def _path_of(url: str) -> str:
    """The path of a `file://` URL.

    Raises:
        UserError: it names another machine, or no absolute path.
    """
    # Only what is encoded ends a path: an unencoded `?` or `#` belongs to a file's name here.
    host, slash, path = url.partition("://")[2].partition("/")
    if host.lower() not in ("", "localhost"):
        raise UserError(
            f"{url}: {host} would be another machine; write file:///PATH, or the path alone"
        )
    return unquote(f"{slash}{path}")
