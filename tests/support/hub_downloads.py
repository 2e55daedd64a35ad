"""A stand-in for a Hugging Face hub on loopback, from which data sets are downloaded."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any

REPOSITORY = "owner/name"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    files: Mapping[str, bytes]

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        wanted = json.loads(body)["paths"] if body.startswith("{") else []
        self._json([entry for entry in self._entries() if entry["path"] in wanted])

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(f"/datasets/{REPOSITORY}/resolve/"):
            return self._file(path.split("/", 6)[6])
        if path.startswith(f"/api/datasets/{REPOSITORY}/tree/"):
            folder = path.partition("/tree/")[2].partition("/")[2]
            return self._tree(folder, "recursive=true" in self.path.lower())
        if path.startswith(f"/api/datasets/{REPOSITORY}"):
            siblings = [{"rfilename": name} for name in self.files]
            about = {"id": REPOSITORY, "sha": COMMIT, "private": False, "siblings": siblings}
            return self._json({**about, "tags": [], "downloads": 0, "likes": 0})
        return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def _tree(self, folder: str, recursive: bool) -> None:
        """The entries of a folder, or of all below it."""
        inside = f"{folder}/" if folder else ""
        found = []
        for entry in self._entries():
            below = entry["path"].removeprefix(inside)
            if entry["path"].startswith(inside) and (recursive or "/" not in below):
                found.append(entry)
        self._json(found)

    def _entries(self) -> list[dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for name, data in self.files.items():
            oid = hashlib.sha1(data).hexdigest()
            for folder in list(PurePosixPath(name).parents)[:-1]:
                of_folder = {"type": "directory", "oid": oid, "size": 0, "path": str(folder)}
                entries[str(folder)] = of_folder
            entries[name] = {"type": "file", "oid": oid, "size": len(data), "path": name}
        return list(entries.values())

    def _file(self, name: str) -> None:
        if name not in self.files:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        data = self.files[name]
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        return self._send(200, data, headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a hub whose only repository holds these files."""
    handler = type("Handler", (_Handler,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
