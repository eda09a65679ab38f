"""A fake provider of rerankers on loopback that speaks the protocols of Cohere (v2), Jina and Voyage."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeRerankProvider:
    """Scores texts by `score`, best first, as the providers answer.

    `body` is sent instead, if there is one. Answers wait for `wait`, if there is one.
    """

    url: str = ""
    score: Callable[[str], float] = len
    status: int = 200
    body: Any = None
    wait: threading.Event | None = None
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, path: str, request: dict[str, Any]) -> Any:
        """Return the body of an answer."""
        if self.status != 200:
            return {"message": "secret words of the provider", "detail": "secret words of the provider"}
        scores = [(self.score(text), n) for n, text in enumerate(request["documents"])]
        limit = request.get("top_n") or request.get("top_k") or len(scores)
        results = [{"index": n, "relevance_score": score} for score, n in sorted(scores, reverse=True)[:limit]]
        if path.startswith("/voyage"):
            return {"object": "list", "data": results, "model": request["model"], "usage": {"total_tokens": 9}}
        return {"id": "r1", "results": results, "meta": {"api_version": {"version": "2"}}}


@contextmanager
def fake_rerank_provider() -> Iterator[FakeRerankProvider]:
    """Serve the fake provider. It closes each connection after its answer."""
    provider = FakeRerankProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            provider.requests.append((self.path, self.headers["Authorization"], request))
            if provider.wait:
                provider.wait.wait(300)
            body = provider.answer(self.path, request) if provider.body is None else provider.body
            content = json.dumps(body).encode()
            self.send_response(provider.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield provider
    finally:
        if provider.wait:
            provider.wait.set()
        server.shutdown()
        server.server_close()
        thread.join()
