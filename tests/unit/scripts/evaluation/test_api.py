"""Searches of an evaluation through the HTTP API."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from scripts.evaluation.api import Api, ApiError

State = dict[str, Any]


@pytest.fixture
def stack() -> Iterator[tuple[Api, State]]:
    """Return the API of a stack, the requests that it gets, and what it answers about reranking."""
    state: State = {"requests": [], "reranked": False, "rerank_problem": None}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state["requests"].append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(422 if "detail" in state else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"hits": [{"key": "a.md"}], **state}).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    api = Api(f"http://127.0.0.1:{server.server_port}", "token")
    yield api, state
    api.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_rankings_are_searched_without_the_reranker_unless_asked_for(stack: tuple[Api, State]) -> None:
    api, state = stack
    assert [api.search("q", by, None) for by in ("words", "hybrid", "reranked")] == [[{"key": "a.md"}]] * 3
    asked = [(request["by"], request["rerank"]) for request in state["requests"]]
    assert asked == [("words", False), ("hybrid", False), ("hybrid", True)]


def test_failed_reranking_is_an_error_of_the_evaluation(stack: tuple[Api, State]) -> None:
    api, state = stack
    assert not api.has_reranker(None)
    state |= {"rerank_problem": "timeout"}
    assert api.has_reranker("s1")
    assert state["requests"][-1]["source_id"] == "s1"
    with pytest.raises(ApiError, match="not reranked: timeout"):
        api.search("q", "reranked", None)


def test_error_shows_the_detail_of_the_problem(stack: tuple[Api, State]) -> None:
    api, state = stack
    state |= {"detail": "q is too long."}
    with pytest.raises(ApiError, match=r"^POST /api/search: 422 q is too long\.$"):
        api.search("q", "words", None)
