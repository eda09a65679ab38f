"""A hosted service's JSON API on loopback: subclasses answer; requests are recorded, refusals sent on demand.

Answers to GET requests have ETags, and lists have `Link` headers on request.

with running(Subclass()) as api:
    api.refusals.append(Reply(status=429, headers={"Retry-After": "0"}))
    api.take_requests()  # ["GET /v1/users/me 200"]
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit


@dataclass
class Reply:
    """A reply: JSON, or bytes as they are."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Request:
    """A request. `body` is decoded JSON, or the fields of a form."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None

    @property
    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class ApiServer:
    """A running server. `refusals` are sent for the next requests, before anything else.

    `token`, if set, is needed; a JSON Web Token is taken, too.
    """

    page_size = 100

    def __init__(self) -> None:
        self.token = ""
        self.refusals: list[Reply] = []
        self.requests: list[str] = []
        self._expired = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: Request) -> Reply:
        """Answer a request."""
        raise NotImplementedError

    def take_requests(self) -> list[str]:
        """Return the requests since the last call: methods, targets without query, and statuses."""
        with self._lock:
            taken, self.requests = self.requests, []
        return taken

    def take_statuses(self) -> list[int]:
        """Return the statuses of the replies since the last call."""
        return [int(one.rpartition(" ")[2]) for one in self.take_requests()]

    def expire_cursors(self) -> None:
        """Refuse the cursors that were sent so far."""
        self._expired += 1

    def cursor(self, position: int) -> str:
        """Return a cursor for a position in a list."""
        return f"{self._expired}.{position}"

    def position(self, cursor: str) -> int:
        """Return the position of a cursor, 0 without one, -1 for an expired one."""
        age, _, position = (cursor or self.cursor(0)).partition(".")
        return int(position) if int(age) == self._expired else -1

    def page(self, request: Request, items: Sequence[Any]) -> Reply:
        """Return one page of a list, with the link to the next one."""
        number, path = int(request.query.get("page", "1")), request.path
        end = number * self.page_size
        headers = {}
        if end < len(items):
            following = urlencode({**request.query, "page": str(number + 1)})
            headers["Link"] = f'<{self.origin}{path}?{following}>; rel="next", <{self.origin}{path}>; rel="first"'
        return Reply(list(items[end - self.page_size : end]), headers=headers)

    def respond(self, request: Request) -> Reply:
        with self._lock:
            refusal = self.refusals.pop(0) if self.refusals else None
        reply = refusal or self._answer(request)
        with self._lock:
            self.requests.append(f"{request.method} {request.path} {reply.status}")
        return reply

    def _answer(self, request: Request) -> Reply:
        if self.token and request.bearer != self.token and not request.bearer.startswith("ey"):
            return Reply({"message": "Bad credentials"}, 401)
        reply = self.answer(request)
        if request.method != "GET" or reply.status != 200:
            return reply
        etag = f'W/"{hashlib.sha256(reply.content).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            return Reply(b"", 304)
        return Reply(reply.body, headers={**reply.headers, "ETag": etag})

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


S = TypeVar("S", bound=ApiServer)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Close a server when the block ends."""
    try:
        yield server
    finally:
        server.close()


def _handler(server: ApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # clients leave large answers unread
                self.close_connection = True

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = None
            if content:
                is_form = "form" in self.headers.get("Content-Type", "")
                body = dict(parse_qsl(content.decode())) if is_form else json.loads(content)
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query))
            reply = server.respond(Request(self.command, parts.path, query, headers, body))
            sent = reply.content
            self.send_response(reply.status)
            defaults = {"Content-Type": "application/json", "Content-Length": str(len(sent))}
            for name, value in {**defaults, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    return Handler
