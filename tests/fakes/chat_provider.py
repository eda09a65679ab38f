"""A fake chat provider on loopback that streams answers as the APIs of providers do, and fake passages."""

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from functions.chat.answers.prompt import CONTINUE
from functions.chat.retrieval.search import Passage
from tests.fakes.chat_protocols import Event, protocol_of

_KEY_HEADERS = ("Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key")
_LONE = re.compile(r"\\ud[89a-f]")
"""A lone surrogate, which can only be sent escaped."""


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

    Pieces are sent `piece_s` seconds apart. Everything after `wait_after` pieces waits until `wait` is set,
    of answers to requests that contain `waits`.

    `ends` is how a stream ends: `well`, `done` (without a `finish_reason`), `early` (closed properly, without the
    events that end an answer) or `broken` (the connection is cut in the middle). `finish` is the provider's reason for
    an end that is `well`.

    `error` is the error of an answer with a `status` other than 200, or an event after the pieces of a stream. `body`
    is sent as JSON instead of a stream. `failures` is the number of answers with the error; later ones have none.

    `thoughts` come before the pieces. `tool` is the id and name of a call of a tool, then pieces of its arguments.
    `counts`: the usage is told: 100 input tokens, 60 of them cached, 30 output tokens, 10 of them for thoughts.
    `replies`: pieces that are sent instead if the request contains the key. `continues`: a request of OpenAI's protocol
    to continue an answer gets the rest of the pieces.
    `write_bytes` cuts the stream into chunks of so many bytes.
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
    waits: str = ""
    thoughts: tuple[str, ...] = ()
    refusal: str = ""
    tool: tuple[str, ...] = ()
    counts: bool = True
    replies: dict[str, list[str]] = field(default_factory=dict)
    continues: bool = False
    write_bytes: int = 0
    retry_after: str = ""
    paths: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def fails(self) -> bool:
        """Return True if this answer ends with the error."""
        return self.error is not None and len(self.requests) <= self.failures

    def events(self, path: str, body: dict[str, Any]) -> Iterator[Event]:
        """Yield the events of a stream that answers a request."""
        return protocol_of(path)(self, self._pieces(body))

    def _pieces(self, body: dict[str, Any]) -> Iterator[str]:
        request = json.dumps(body, ensure_ascii=False)
        pieces = next((reply for key, reply in self.replies.items() if key in request), self.pieces)
        if self.continues and CONTINUE[:20] in request:
            begun = body["messages"][-2]["content"]
            pieces = ["".join(pieces).removeprefix(begun)]
        for n, piece in enumerate([*pieces, ""]):
            if n == self.wait_after and self.wait and self.waits in request:
                self.wait.wait(300)
            if piece:
                time.sleep(self.piece_s)
                yield piece


class _Handler(BaseHTTPRequestHandler):
    """Closes each connection after its answer, so that clients keep no sockets that outlive a test."""

    protocol_version = "HTTP/1.1"
    provider: FakeProvider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":  # of a Google service account
            self._send_json(200, {"access_token": "token-1", "expires_in": 3600, "token_type": "Bearer"})
            return
        request = json.loads(body)
        self.provider.requests.append(request)
        self.provider.paths.append(self.path)
        self.provider.keys.append(next((self.headers[name] for name in _KEY_HEADERS if name in self.headers), ""))
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
            for name, data in self.provider.events(self.path, request):
                self._send(name, data)
            if self.provider.ends != "broken":
                self.wfile.write(b"0\r\n\r\n")

    def _send(self, name: str | None, data: dict[str, Any] | str) -> None:
        content = {"type": name, **data} if name and not isinstance(data, str) else data
        encoded = (
            content if isinstance(content, str) else json.dumps(content, ensure_ascii=bool(_LONE.search(repr(content))))
        )
        event = ((f"event: {name}\n" if name else "") + f"data: {encoded}\n\n").encode()
        size = self.provider.write_bytes or len(event)
        for start in range(0, len(event), size):
            part = event[start : start + size]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.flush()

    def _send_json(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Connection", "close")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.provider.retry_after:
            self.send_header("Retry-After", self.provider.retry_after)
        else:
            self.send_header("Retry-After-Ms", "1")  # the clients retry at once
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class named it
        """Log nothing."""


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """Run the server until the block ends."""
    provider = FakeProvider()
    with serve(provider):
        yield provider


@contextmanager
def serve(provider: FakeProvider) -> Iterator[None]:
    """Run a server for a provider until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        if provider.wait:
            provider.wait.set()
        server.shutdown()
        server.server_close()
        thread.join()
