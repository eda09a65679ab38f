"""Search engines on loopback that speak the protocols of Tavily, Brave, Google's Custom Search and SearXNG.

with search_engines() as engines:
    engines.results = [("https://a.example/", "A")]
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "key-of-the-search-engine"


@dataclass
class SearchEngines:
    """Answers with `results`, pairs of URL and title; or with `body`, if there is one. `requests` are the queries."""

    url: str = ""
    results: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None
    requests: list[str] = field(default_factory=list)

    def settings(self, engine: str) -> dict[str, Any]:
        """Return the settings for an engine."""
        if engine == "searxng":
            return {"searxng_url": f"{self.url}/searxng/"}
        prefix = "google_search" if engine == "google" else engine
        found = {f"{prefix}_api_key": KEY, f"{prefix}_base_url": self.url}
        return found | ({"google_cse_id": "cx1"} if engine == "google" else {})

    def answer(self, path: str, fields: dict[str, Any], headers: Any) -> tuple[int, Any]:
        """Return the status and body of the answer to a request."""
        keys = {
            "/search": headers["Authorization"] == f"Bearer {KEY}",
            "/res/v1/web/search": headers["X-Subscription-Token"] == KEY,
            "/customsearch/v1": headers["X-Goog-Api-Key"] == KEY and fields.get("cx") == "cx1",
            "/searxng/search": fields.get("format") == "json",
        }
        if path not in keys:
            return 404, {"error": "not found"}
        if not keys[path]:
            return 401, {"error": f"wrong key {KEY}"}
        if self.status != 200:
            return self.status, {"detail": f"secret words with {KEY}"}
        query = fields.get("query") or fields["q"]
        if len(query) > 400 and path in ("/search", "/res/v1/web/search"):
            return 400 if path == "/search" else 422, {"detail": "The query is too long."}
        if len(query.split()) > 50 and path == "/res/v1/web/search":
            return 422, {"error": {"code": "VALIDATION"}}
        self.requests.append(query)
        if path == "/search":
            found = [{"url": url, "title": title, "content": "…", "score": 0.9} for url, title in self.results]
            return 200, {"query": fields["query"], "results": found[: fields["max_results"]]}
        if path == "/customsearch/v1":
            items = [{"link": url, "title": title, "snippet": "…"} for url, title in self.results]
            return 200, {"kind": "customsearch#search"} | ({"items": items[: int(fields["num"])]} if items else {})
        results = [{"url": url, "title": title, "description": "…"} for url, title in self.results]
        return 200, {"web": {"results": results}} if path.startswith("/res") else {"results": results}


@contextmanager
def search_engines() -> Iterator[SearchEngines]:
    """Serve the engines until the block ends."""
    engines = SearchEngines()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})

        def do_POST(self) -> None:
            self._answer(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, path: str, fields: dict[str, Any]) -> None:
            status, body = engines.answer(path, fields, self.headers)
            content = json.dumps(body).encode() if engines.body is None or status != 200 else engines.body
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    engines.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield engines
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
