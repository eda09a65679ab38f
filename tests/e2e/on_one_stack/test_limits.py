"""What the Worker lets through, the real functions accept: the longest URL, headers, bodies and questions."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from headwater.web.limits import MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_UPLOAD_BYTES, MAX_URL_BYTES
from tests.harness.stacks import RunningStack

QUESTION_CHARS = 32_000
UPLOAD = f"/api/sources/{uuid.uuid4()}/documents"
FROM_FUNCTION, FROM_WORKER = "urn:headwater:", "about:blank"


@pytest.fixture
def client(stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60) as made:
        yield made


def assert_problem(response: httpx.Response, status: int, sender: str, detail: str = "") -> None:
    assert response.status_code == status, response.text[:500]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["type"].startswith(sender)
    assert detail in response.json()["detail"]


def padded(start: str, length: int, end: str = "") -> str:
    return start + "x" * (length - len(start) - len(end)) + end


@pytest.mark.parametrize(
    "start", ["/api/search?k=0&q=", "/api/documents?limit=0&after=", "/api/conversations/", "/api/embedding-models/"]
)
def test_longest_url_reaches_the_function(client: httpx.Client, start: str) -> None:
    response = client.get(padded(start, MAX_URL_BYTES))
    assert response.status_code in (404, 422)
    assert response.json()["type"].startswith(FROM_FUNCTION)
    assert_problem(client.get(padded(start, MAX_URL_BYTES + 1)), 414, FROM_WORKER, "64001 bytes")


@pytest.mark.parametrize("path", ["/api/conversations", "/api/sources", "/api/embedding-models"])
def test_largest_headers_reach_the_function(client: httpx.Client, path: str) -> None:
    for name in ("User-Agent", "If-None-Match", "X-Workspace"):
        headers = {"Accept": "x", "User-Agent": "x", "Authorization": client.headers["Authorization"], name: ""}
        room = MAX_HEADER_BYTES - sum(len(key) + len(value) + 4 for key, value in headers.items())
        headers[name] = "x" * room
        response = client.get(path, headers=headers)
        assert response.status_code in (200, 400, 404), response.text[:500]
        assert response.headers["Content-Type"] in ("application/json", "application/problem+json")
        headers[name] += "x"
        assert_problem(client.get(path, headers=headers), 431, FROM_WORKER, f"largest is {name.lower()}")


@pytest.mark.parametrize("path", ["/api/chat", "/api/search", "/api/sources", "/v1/embeddings"])
def test_largest_body_reaches_the_function(client: httpx.Client, path: str) -> None:
    body = padded('{"unknown":"', MAX_BODY_BYTES, '"}')
    assert_problem(client.post(path, content=body), 422, FROM_FUNCTION)
    assert_problem(client.post(path, content=body + " "), 413, FROM_WORKER, "1000000 bytes")


def test_largest_upload_reaches_the_function(client: httpx.Client) -> None:
    body = padded('{"key":"a.md","text":"', MAX_UPLOAD_BYTES, '"}')
    assert_problem(client.put(UPLOAD, content=body), 404, FROM_FUNCTION)
    assert_problem(client.put(UPLOAD, content=body + " "), 413, FROM_WORKER, "31000000 bytes")


@pytest.mark.parametrize("character", ["x", "ü", "漢", "😀", '"'])
@pytest.mark.parametrize("is_escaped", [False, True])
def test_longest_question_is_answered(client: httpx.Client, character: str, *, is_escaped: bool) -> None:
    def post(path: str, length: int) -> httpx.Response:
        text = character * (length - 1) + "x"
        message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": text}]}
        body: dict[str, Any] = {"id": str(uuid.uuid4()), "messages": [message]} if path == "/api/chat" else {"q": text}
        return client.post(path, content=json.dumps(body, ensure_ascii=is_escaped))

    for path in ("/api/chat", "/api/search"):
        assert post(path, QUESTION_CHARS).status_code == 200
        assert_problem(post(path, QUESTION_CHARS + 1), 422, FROM_FUNCTION, "32000 are allowed")
