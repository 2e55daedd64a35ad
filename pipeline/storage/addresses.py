"""Paths and URLs as users write them, in the one form that the rest of the code expects."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from pipeline.errors import UserError

SCHEMES = ("s3", "s3a", "gs", "gcs", "hf", "az", "abfs", "abfss", "http", "https", "memory")
"""Schemes that are recognised even where the slashes after them are wrong."""

NO_MEMORY = "memory is gone when the command ends; give a folder or an object store"

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_CHAINED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::(?P<inner>.*)", re.DOTALL)
_KINDS = "(?:datasets|spaces|models|buckets)/"
_HUB_PATH = re.compile(rf"(?:{_KINDS})?(?!{_KINDS})[^/]+/[^/]+(?:/.*)?", re.DOTALL)
_COLON = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)

_WITH_SECRETS = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)"
    r"(?P<user>[^/\s'\"@]*@)?(?P<rest>[^\s?'\"#]*)"
    r"(?:[?#][^\s'\",)]*)?"
)
"""A URL, of which only scheme and rest may be shown."""

_AZURE = ("az://", "abfs://", "abfss://")


def normalized(text: str) -> str:
    """A local path, or a URL `scheme://...` with its scheme in lower case.

    A path may begin with `~`. URLs of files become paths, also `file:/x` and `file://localhost/x`
    (RFC 8089).

    Raises:
        UserError: nothing, a URL that would be taken for the name of a local folder, a file of
            another machine, a chain of protocols, or
            memory.
    """
    if not text.strip():
        raise UserError("an empty path was given; name a file, a folder or a URL")
    if "\0" in text:
        raise UserError(f"{text!r}: a path has no character U+0000; remove it")
    if not is_utf8(text):
        raise UserError(f"{text!r}: its name is not UTF-8, as all that is stored; rename it")
    if _COLON.fullmatch(text.strip()):
        text = text.strip()
    if chained := _CHAINED.fullmatch(text):
        inner = chained["inner"]
        if not _COLON.fullmatch(inner):
            # No chain: a colon too many.
            inner = f"{text.partition(':')[0].lower()}://{inner.lstrip(':/')}"
        raise UserError(f"{text}: chained URLs are not supported; write {inner}")
    if url := _URL.fullmatch(text):
        scheme, rest = url["scheme"].lower(), url["rest"]
        if scheme == "memory":
            raise UserError(f"{text}: {NO_MEMORY}")
        if scheme == "file":
            return _path_of(text)
        if scheme == "hf" and not _HUB_PATH.fullmatch(rest):
            raise UserError(f"{text}: names no repository; write hf://datasets/OWNER/NAME/PATH")
        if not rest.partition("/")[0]:
            raise UserError(f"{text}: names no bucket or host; write {scheme}://NAME/PATH")
        return f"{scheme}://{rest}"
    if colon := _COLON.fullmatch(text):
        scheme, rest = colon["scheme"].lower(), colon["rest"]
        if scheme == "memory":
            raise UserError(f"{text}: {NO_MEMORY}")
        if scheme == "file" and rest.startswith("/"):
            return unquote(rest)
        if scheme == "file":
            raise UserError(
                f"{text}: names no absolute path; write file:///PATH, or the path alone"
            )
        if scheme in SCHEMES:
            named = rest.lstrip("/\\").replace("\\", "/") or "NAME/PATH"
            raise UserError(f"{text}: is not a URL; write {scheme}://{named}")
    if "://" in text:
        raise UserError(f"{text}: is not a URL; write SCHEME://NAME/PATH, as in s3://bucket/folder")
    # A shell does not expand the one in `--output=~/corpus`.
    path = os.path.expanduser(text)
    if path.startswith("~") and "/" in path:
        name = path.partition("/")[0]
        raise UserError(f"{text}: no user has the home {name}; for a folder write ./{path}")
    return path


def is_utf8(text: str) -> bool:
    """Whether a text can be stored; what a shell passes in another encoding cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    if not path:
        raise UserError(f"{url}: names no path; write file:///PATH, or the path alone")
    return unquote(f"{slash}{path}")


def public(text: str) -> str:
    """`text` without the secrets of its URLs: users, passwords and queries, which may be signed."""
    return _WITH_SECRETS.sub(_public_part, text)


def _public_part(url: re.Match[str]) -> str:
    """A URL without its secrets.

    In `abfs://container@account.dfs.core.windows.net/path`, as Azure prints it, the part before the
    `@` is no secret unless it has a password.
    """
    scheme, user = url["scheme"], url["user"] or ""
    is_container = scheme.lower() in _AZURE and ":" not in user
    return f"{scheme}{user if is_container else ''}{url['rest']}"
