"""The LFS server of a repository, on the loopback server that has the repository."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.harness.git_server import Server, password_of

CONTENT = b"# In LFS\n\nText.\n"
OID = hashlib.sha256(CONTENT).hexdigest()
TOKEN = "a-secret-token"


def pointer(content: bytes = CONTENT, size: int | None = None) -> bytes:
    oid = hashlib.sha256(content).hexdigest()
    length = len(content) if size is None else size
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {length}\n".encode()


class Lfs:
    """The LFS server of the repository: `href` and `content` are what it sends."""

    def __init__(self, server: Server) -> None:
        self.href = f"{server.url}/storage/{OID}"
        self.content = CONTENT
        self.status = 200
        self.batch: Any = None
        self.authorizations: list[tuple[str, str | None]] = []
        server.answer = self.answer

    def answer(self, request: BaseHTTPRequestHandler) -> bool:
        token = password_of(request.headers.get("Authorization"))
        if request.path.endswith("/info/lfs/objects/batch"):
            wanted = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
            assert (wanted["operation"], wanted["objects"][0]["oid"]) == ("download", OID)
            action = {"href": self.href, "header": {"X-Signed": "yes"}}
            found = {"objects": [{"oid": OID, "size": len(CONTENT), "actions": {"download": action}}]}
            body = json.dumps(found if self.batch is None else self.batch).encode()
        elif request.path.startswith("/storage/"):
            assert request.headers["X-Signed"] == "yes"
            body = self.content
        else:
            return False
        self.authorizations.append((request.path, token))
        request.send_response(self.status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
        return True
