"""A JSON API on loopback: `answer` knows the paths. Sends ETags, pages with `Link`, and refuses on request."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit


@dataclass
class Answer:
    """An answer: JSON, or bytes as they are."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class JsonApi:
    """A running server. `refusals` are sent for the next requests, before anything else.

    `token`, if set, is needed. `requests` has the paths, with queries, and statuses.
    """

    page_size = 100

    def __init__(self) -> None:
        self.token = ""
        self.refusals: list[Answer] = []
        self.requests: list[tuple[str, int]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any, bearer: str) -> Answer:
        """Answer a request. Subclasses know the paths."""
        raise NotImplementedError

    def page(self, path: str, query: Mapping[str, str], items: Sequence[Any]) -> Answer:
        """Return one page of a list, with the link to the next one."""
        number = int(query.get("page", "1"))
        end = number * self.page_size
        headers = {}
        if end < len(items):
            following = urlencode({**query, "page": str(number + 1)})
            headers["Link"] = f'<{self.origin}{path}?{following}>; rel="next", <{self.origin}{path}>; rel="first"'
        return Answer(list(items[end - self.page_size : end]), headers=headers)

    def take_requests(self) -> list[tuple[str, int]]:
        with self._lock:
            taken, self.requests = self.requests, []
        return taken

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        with self._lock:
            refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            return refusal
        if self.token and bearer != self.token and not bearer.startswith("ey"):
            return Answer({"message": "Bad credentials"}, 401)
        query = dict(parse_qsl(parts.query))
        answer = self.answer(method, parts.path, query, json.loads(body) if body else None, bearer)
        etag = f'W/"{hashlib.sha256(answer.content).hexdigest()[:16]}"'
        if method == "GET" and answer.status == 200:
            if headers.get("If-None-Match") == etag:
                return Answer(b"", 304)
            answer.headers = {**answer.headers, "ETag": etag}
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = api._respond(self.command, self.path, dict(self.headers.items()), body)
                with api._lock:
                    api.requests.append((self.path, answer.status))
                content = b"" if answer.status == 304 else answer.content
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        return Handler
