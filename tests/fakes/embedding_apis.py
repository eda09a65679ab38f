"""Fake APIs of embedding providers on loopback, each with its provider's protocol: Gemini, Vertex AI, Cohere, Ollama,
Mistral and Azure OpenAI. The tokens of a text are its words.

Vectors are derived from the hashes of the texts, without what the request says of their purpose.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIM = 8


@dataclass
class Request:
    """A request: its path with the query, its headers in lower case, its JSON."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class EmbeddingApis:
    """All providers at one address. `refuse` may answer a request: with a status, headers and a body."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    refuse: Callable[[Request], tuple[int, Mapping[str, str], Any] | None] = lambda _: None
    most_at_once: int = 0
    wait_for: int = 1
    """Requests that arrive before any is answered, to see how many are sent at once."""

    _open: int = 0
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, request: Request) -> tuple[int, Mapping[str, str], Any]:
        """Answer a request as its provider would."""
        with self._arrived:
            self.requests.append(request)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            self._arrived.notify_all()
            self._arrived.wait_for(lambda: self.most_at_once >= self.wait_for, timeout=5)
        try:
            return self.refuse(request) or self._embed(request)
        finally:
            with self._arrived:
                self._open -= 1

    def _embed(self, request: Request) -> tuple[int, Mapping[str, str], Any]:
        for path, provider in _PROVIDERS.items():
            if re.fullmatch(path, request.path):
                return 200, {}, provider(request.body)
        return 404, {}, {"error": {"code": "not_found"}}


def texts_of(request: Request) -> list[str]:
    """Return the texts that a request asks to embed."""
    body = request.body
    if "requests" in body:
        return [item["content"]["parts"][0]["text"] for item in body["requests"]]
    if "instances" in body:
        return [item["content"] for item in body["instances"]]
    if "content" in body:
        return [body["content"]["parts"][0]["text"]]
    return list(body.get("texts") or body["input"])


def vector(text: str, dim: int | None = None) -> list[float]:
    """Return the vector of a text."""
    return [byte - 127.5 for byte in hashlib.shake_256(text.encode()).digest(dim or DIM)]


def _openai(body: Any) -> Any:
    dim = body.get("dimensions") or body.get("output_dimension")
    data = [{"index": n, "embedding": vector(text, dim)} for n, text in enumerate(body["input"])]
    return {"data": data, "usage": {"prompt_tokens": _tokens(body["input"])}}


def _gemini(body: Any) -> Any:
    texts = [item["content"]["parts"][0]["text"] for item in body["requests"]]
    dim = body["requests"][0].get("outputDimensionality")
    return {"embeddings": [{"values": vector(text, dim)} for text in texts]}


def _predict(body: Any) -> Any:
    dim = body["parameters"].get("outputDimensionality")
    return {
        "predictions": [
            {"embeddings": {"values": vector(text, dim), "statistics": {"token_count": _tokens([text])}}}
            for text in (item["content"] for item in body["instances"])
        ]
    }


def _embed_content(body: Any) -> Any:
    text = body["content"]["parts"][0]["text"]
    values = vector(text, body.get("outputDimensionality"))
    return {"embedding": {"values": values}, "usageMetadata": {"promptTokenCount": _tokens([text])}}


def _cohere(body: Any) -> Any:
    vectors = [vector(text, body.get("output_dimension")) for text in body["texts"]]
    return {"embeddings": {"float": vectors}, "meta": {"billed_units": {"input_tokens": _tokens(body["texts"])}}}


def _ollama(body: Any) -> Any:
    vectors = [vector(text, body.get("dimensions")) for text in body["input"]]
    return {"embeddings": vectors, "prompt_eval_count": _tokens(body["input"])}


def _tokens(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


_PROVIDERS: Mapping[str, Callable[[Any], Any]] = {
    r"/v1/embeddings": _openai,
    r"/openai/deployments/[^/]+/embeddings\?api-version=\d{4}-\d\d-\d\d": _openai,
    r"/v1beta/models/[^/:]+:batchEmbedContents": _gemini,
    r"/v1/projects/[^/]+/locations/[^/]+/publishers/google/models/[^/:]+:predict": _predict,
    r"/v1/projects/[^/]+/locations/[^/]+/publishers/google/models/[^/:]+:embedContent": _embed_content,
    r"/v2/embed": _cohere,
    r"/api/embed": _ollama,
    r"/token": lambda _: {"access_token": "token-of-the-service-account", "expires_in": 3600, "token_type": "Bearer"},
}


@contextmanager
def embedding_apis() -> Iterator[EmbeddingApis]:
    """Run the server until the block ends."""
    apis = EmbeddingApis()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(content) if "json" in self.headers["Content-Type"] else content.decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answered, answer = apis.answer(Request(self.path, headers, body))
            self.send_response(status)
            encoded = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            sent = {"Content-Type": "application/json", "Content-Length": str(len(encoded)), "Connection": "close"}
            for name, value in {**sent, **answered}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(encoded)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    apis.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield apis
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
