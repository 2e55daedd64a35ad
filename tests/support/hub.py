"""A stand-in for a Hugging Face hub on loopback: creates repositories, takes uploads by Git LFS."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

TOKEN = "hf_stand_in"


class Hub:
    """What was sent to it.

    Attributes:
        files: contents by path of the repository.
        objects: contents of LFS objects by SHA-256.
        created: the bodies of requests to create a repository.
        fail_uploads: how many uploads of objects fail with status 400 from now on.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.uploads = 0
        self.fail_uploads = 0
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self) -> None:
        data = self._body()
        if self.hub.fail_uploads:
            self.hub.fail_uploads -= 1
            return self._answer({"error": "injected"}, 400)
        self.hub.uploads += 1
        self.hub.objects[hashlib.sha256(data).hexdigest()] = data
        return self._answer({})

    def do_GET(self) -> None:
        self._answer({"id": "owner/name", "siblings": []})

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer({"error": "invalid token"}, 401)
        if self.path == "/api/validate-yaml":
            card = json.loads(body)["content"]
            yaml.safe_load(card.split("---")[1])
            return self._answer({"errors": [], "warnings": []})
        if self.path == "/api/repos/create":
            request = json.loads(body)
            self.hub.created.append(request)
            name = f"{request['organization']}/{request['name']}"
            return self._answer({"url": f"{self.hub.url}/datasets/{name}", "name": name})
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            return self._answer({"files": [self._mode(file) for file in files]})
        if self.path.endswith("/objects/batch"):
            objects = json.loads(body)["objects"]
            return self._answer(
                {"transfer": "basic", "objects": [self._action(o) for o in objects]}
            )
        assert "/commit/" in self.path, self.path
        for line in body.splitlines():
            self._commit(json.loads(line))
        url = f"{self.hub.url}/datasets/owner/name/commit/0123"
        return self._answer({"success": True, "commitOid": "0123", "commitUrl": url})

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if file["path"].endswith((".tar", ".parquet", ".png")) else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}

    def _action(self, wanted: dict[str, Any]) -> dict[str, Any]:
        answer = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in self.hub.objects:
            answer["actions"] = {"upload": {"href": f"{self.hub.url}/objects/{wanted['oid']}"}}
        return answer

    def _commit(self, operation: dict[str, Any]) -> None:
        value = operation["value"]
        if operation["key"] == "file":
            self.hub.files[value["path"]] = base64.b64decode(value["content"])
        elif operation["key"] == "lfsFile":
            self.hub.files[value["path"]] = self.hub.objects[value["oid"]]


@contextmanager
def stand_in_hub() -> Iterator[Hub]:
    """A hub that lasts as long as the context."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
