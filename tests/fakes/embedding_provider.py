"""A fake embedding provider on loopback: OpenAI's protocol, with configurable failures.

Vectors are derived from the hashes of the texts: equal texts have equal vectors.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeVar

import numpy as np

Answer = int | Literal["ok", "close", "half", "hang"]
"""An HTTP status; `close`: end the connection unanswered, `half`: in the middle of the answer, `hang`: never answer."""


@dataclass
class EmbeddingProvider:
    """The next answers (`ok` after the last of `answers`), and the requests so far."""

    dim: int
    url: str = ""
    answers: Iterator[Answer] = field(default_factory=lambda: iter(()))
    retry_after_s: int = 1
    error_code: str | None = None
    salt: bytes = b""
    """With another salt, vectors of the same length are those of another model."""

    change: Callable[[list[dict[str, Any]]], object] | None = None
    """Changes the `data` of successful answers."""
    batches: list[list[str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    dimensions: list[int | None] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def take(self, key: str, request: dict[str, Any]) -> Answer:
        """Record a request and return how to answer it."""
        with self.lock:
            self.batches.append(request["input"])
            self.keys.append(key)
            self.models.append(request["model"])
            self.dimensions.append(request.get("dimensions"))
            return next(self.answers, "ok")

    def leave(self) -> None:
        """Called after each request, answered or not."""

    def vectors(self, request: dict[str, Any]) -> bytes:
        """Return the body of a successful answer."""
        as_base64 = request.get("encoding_format") == "base64"
        data = []
        for index, text in enumerate(request["input"]):
            digest = np.frombuffer(hashlib.shake_256(self.salt + text.encode()).digest(self.dim), np.uint8)
            vector = digest.astype("<f4") - np.float32(127.5)
            embedding = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
        if self.change:
            self.change(data)
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return json.dumps({"object": "list", "model": request["model"], "data": data, "usage": usage}).encode()


P = TypeVar("P", bound=EmbeddingProvider)


class _Handler(BaseHTTPRequestHandler):
    """Closes each connection after its answer, so that clients keep no sockets that outlive a test."""

    protocol_version = "HTTP/1.1"
    provider: EmbeddingProvider

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client is gone
            super().handle()

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self._respond(request)
        finally:
            self.provider.leave()

    def _respond(self, request: dict[str, Any]) -> None:
        answer = self.provider.take(self.headers.get("Authorization", ""), request)
        if answer == "hang":
            self.provider.over.wait(60)
        if answer in ("hang", "close"):
            self.close_connection = True
        elif isinstance(answer, int):
            error = {"message": "secret words of the provider", "type": "fake", "code": self.provider.error_code}
            self._send(answer, json.dumps({"error": error}).encode())
        else:
            self._send(200, self.provider.vectors(request), whole=answer == "ok")

    def _send(self, status: int, body: bytes, *, whole: bool = True) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", str(self.provider.retry_after_s))
        self.end_headers()
        self.wfile.write(body if whole else body[: len(body) // 2])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class named it
        """Log nothing."""


@contextmanager
def embedding_provider(provider: P) -> Iterator[P]:
    """Run the server until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        provider.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
