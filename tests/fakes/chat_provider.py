"""A fake chat provider on loopback that streams answers as OpenAI's and Anthropic's APIs do, and fake passages."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from functions.chat.retrieval.search import Passage


def fake_passage(text: str, **changes: Any) -> Passage:
    """Return a passage that is a whole document."""
    values: dict[str, Any] = {
        "document_id": uuid.UUID(int=1),
        "key": "install.md",
        "title": "Guide",
        "url": None,
        "media_type": "text/markdown",
        "heading_path": [],
        "text": text,
        "excerpt": text,
        "start": 0,
        "end": len(text),
        "score": 1.0,
        "similarity": 0.5,
        "overlap": 1.0,
        "relevant": True,
    }
    return Passage(**(values | changes))


@dataclass
class FakeProvider:
    """The next answer, and the requests so far.

    Pieces are sent `piece_s` seconds apart. Everything after `wait_after` pieces waits until `wait` is set.

    `ends` is how a stream ends: `well`, `done` (without a `finish_reason`), `early` (closed properly, without the
    events that end an answer) or `broken` (the connection is cut in the middle). `finish` is the provider's reason for
    an end that is `well`.

    `error` is the error of an answer with a `status` other than 200, or an event after the pieces of a stream. `body`
    is sent as JSON instead of a stream. `failures` is the number of answers with the error; later ones have none.
    """

    url: str = ""
    pieces: list[str] = field(default_factory=lambda: ["Yes", " [1]."])
    piece_s: float = 0.0
    status: int = 200
    ends: str = "well"
    finish: str = ""
    error: dict[str, Any] | None = None
    failures: int = 1_000
    body: Any = None
    wait: threading.Event | None = None
    wait_after: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def fails(self) -> bool:
        """Return True if this answer ends with the error."""
        return self.error is not None and len(self.requests) <= self.failures

    def events(self, path: str) -> Iterator[tuple[str | None, dict[str, Any] | str]]:
        """Yield the events of a stream, each with its name or None."""
        yield from self._openai() if path.endswith("/chat/completions") else self._anthropic()

    def _pieces(self) -> Iterator[str]:
        for n, piece in enumerate([*self.pieces, ""]):
            if n == self.wait_after and self.wait:
                self.wait.wait(30)
            if piece:
                time.sleep(self.piece_s)
                yield piece

    def _openai(self) -> Iterator[tuple[str | None, dict[str, Any] | str]]:
        def chunk(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
            return {**about, "choices": [choice]}

        yield None, chunk({"role": "assistant", "content": ""})
        for piece in self._pieces():
            yield None, chunk({"content": piece})
        if self.fails():
            yield None, {"error": self.error}
        elif self.ends == "well":
            yield None, chunk({}, self.finish or "stop")
        if self.ends in ("well", "done"):
            yield None, "[DONE]"

    def _anthropic(self) -> Iterator[tuple[str | None, dict[str, Any] | str]]:
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "fake",
            "content": [],
            "usage": usage,
        }
        yield "message_start", {"message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}}
        yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
        for piece in self._pieces():
            yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}}
        if self.fails():
            yield "error", {"error": self.error}
        elif self.ends == "well":
            yield "content_block_stop", {"index": 0}
            stop = {"stop_reason": self.finish or "end_turn", "stop_sequence": None}
            yield "message_delta", {"delta": stop, "usage": {"output_tokens": 2}}
            yield "message_stop", {}


class _Handler(BaseHTTPRequestHandler):
    """Closes each connection after its answer, so that clients keep no sockets that outlive a test."""

    protocol_version = "HTTP/1.1"
    provider: FakeProvider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.provider.requests.append(json.loads(body))
        self.provider.keys.append(self.headers.get("Authorization") or self.headers.get("X-Api-Key") or "")
        if self.provider.status != 200:
            error = {"type": "error", "message": "secret words of the provider", "code": "fake"}
            self._send_json(self.provider.status, {"type": "error", "error": self.provider.error or error})
            return
        if self.provider.body is not None:
            self._send_json(200, self.provider.body)
            return
        self.send_response(200)
        self.send_header("Connection", "close")
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # the client has stopped the answer
            for name, data in self.provider.events(self.path):
                self._send(name, data)
            if self.provider.ends != "broken":
                self.wfile.write(b"0\r\n\r\n")

    def _send(self, name: str | None, data: dict[str, Any] | str) -> None:
        encoded = data if isinstance(data, str) else json.dumps({"type": name, **data} if name else data)
        event = (f"event: {name}\n" if name else "") + f"data: {encoded}\n\n"
        self.wfile.write(f"{len(event.encode()):x}\r\n{event}\r\n".encode())
        self.wfile.flush()

    def _send_json(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Connection", "close")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After-Ms", "1")  # the clients retry at once
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class named it
        """Log nothing."""


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """Run the server until the block ends."""
    provider = FakeProvider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        if provider.wait:
            provider.wait.set()
        server.shutdown()
        server.server_close()
        thread.join()
