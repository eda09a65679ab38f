"""A web site on loopback: serves pages from a table, answers conditional requests, and counts what is requested.

with web_site() as site:
    site.pages["/a"] = Page("<p>text")
    site.requests  # [("/a", 200)]
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """An answer. Texts are sent as UTF-8. `validators`: which of `etag` and `date` the server sends and honours."""

    body: str | bytes = ""
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    validators: frozenset[str] = frozenset(("etag", "date"))

    @property
    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else self.body

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'

    @property
    def modified(self) -> str:
        """A date that changes with the content."""
        seconds = int(hashlib.sha256(self.content).hexdigest()[:6], 16) % 86_400
        return f"Mon, 01 Jan 2024 {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} GMT"


def moved(target: str, status: int = 301) -> Page:
    return Page(status=status, headers={"Location": target})


class WebSite:
    """A running server. `find` answers for paths that are not in `pages`; by default with 404.

    `refusals` have parts of paths: each is sent once, for the next path with that part.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.find: Callable[[str], Page] = lambda path: Page("<p>Not found", status=404)
        self.refusals: list[tuple[str, Page]] = []
        self.requests: list[tuple[str, int]] = []
        self.headers: list[Mapping[str, str]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def take_requests(self) -> list[tuple[str, int]]:
        """Return the requests since the last call: paths with the statuses of their answers."""
        with self._lock:
            taken, self.requests = self.requests, []
        return taken

    def statuses(self) -> Counter[int]:
        """Count the requests since the last call by status."""
        return Counter(status for _, status in self.take_requests())

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, path: str, headers: Mapping[str, str]) -> Page:
        with self._lock:
            self.headers.append(headers)
            refusal = next((refusal for refusal in self.refusals if refusal[0] in path), None)
            if refusal:
                self.refusals.remove(refusal)
        page = refusal[1] if refusal else self.pages.get(path) or self.find(path)
        is_same = (
            headers.get("If-None-Match") == page.etag
            if "If-None-Match" in headers
            else (headers.get("If-Modified-Since") == page.modified)
        )
        if page.status == 200 and page.validators and is_same:
            page = Page(status=304, headers=page.headers)
        with self._lock:
            self.requests.append((path, page.status))
        return page

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:  # clients leave large answers unread
                    self.close_connection = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self) -> None:
                page = site._answer(self.path, dict(self.headers.items()))
                content = b"" if page.status == 304 else page.content
                self.send_response(page.status)
                headers = {"Content-Type": page.media_type, "Content-Length": str(len(content))}
                if page.status == 200 and "etag" in page.validators:
                    headers["ETag"] = page.etag
                if page.status == 200 and "date" in page.validators:
                    headers["Last-Modified"] = page.modified
                for name, value in {**headers, **page.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        return Handler


@contextmanager
def web_site() -> Iterator[WebSite]:
    """Run a site on a free port until the block ends."""
    site = WebSite()
    try:
        yield site
    finally:
        site.close()
