"""Call the HTTP API of a running stack: collect texts into a source of their own, search, remove the source."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

TIMEOUT_S = 60.0
COLLECT_TIMEOUT_S = 3_600.0
POLL_S = 1.0
ATTEMPTS = 20
MAX_HITS = 50
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ApiError(Exception):
    """The API refused a request, or a run failed."""


class Api:
    """The API at the base URL of a stack. Safe to share between threads."""

    def __init__(self, url: str, token: str, workspace: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} | ({"X-Workspace": workspace} if workspace else {})
        self.is_local = urlsplit(url).hostname in LOOPBACK
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=not self.is_local)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def search(self, text: str, by: str, source_id: str | None) -> list[dict[str, Any]]:
        """Return the hits of a question, at most 50. `by` is one of `runs.RANKINGS`.

        Raises ApiError if they should be reranked and are not.
        """
        is_reranked = by == "reranked"
        body = {"q": text, "k": MAX_HITS, "by": "hybrid" if is_reranked else by, "rerank": is_reranked}
        answer = self.request("POST", "/api/search", body | ({"source_id": source_id} if source_id else {}))
        if is_reranked and (problem := answer["rerank_problem"]):
            raise ApiError(f"A search was not reranked: {problem}. See rerank.failed in the log of the function chat.")
        hits: list[dict[str, Any]] = answer["hits"]
        return hits

    def rated_questions(self) -> list[dict[str, Any]]:
        """Return the questions whose answers readers found helpful, at most 1,000."""
        questions: list[dict[str, Any]] = self.request("GET", "/api/feedback?rating=good&limit=1000")["questions"]
        return questions

    def has_reranker(self, source_id: str | None) -> bool:
        """Return whether the stack reranks searches, or tries to."""
        body = {"q": "Self-test", "k": 1} | ({"source_id": source_id} if source_id else {})
        answer = self.request("POST", "/api/search", body)
        return bool(answer["reranked"] or answer["rerank_problem"])

    @contextmanager
    def source(self, name: str, repository: str) -> Iterator[str]:
        """Collect a Git repository into a new source, yield the source's id, and delete the source."""
        config = {"url": repository, "branch": None, "path": "", "include": ["**/*.md"], "exclude": []}
        source = self.request("POST", "/api/sources", {"kind": "git", "name": name, "config": config})
        try:
            self._collect(source["id"])
            yield source["id"]
        finally:
            self.request("DELETE", f"/api/sources/{source['id']}")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of the response; wait and repeat it where the API asks for that.

        Raises ApiError.
        """
        for _ in range(ATTEMPTS):
            try:
                response = self._client.request(method, path, json=body)
            except httpx.HTTPError as error:
                raise ApiError(f"{method} {path}: {error!r}. Is the stack running?") from error
            if response.status_code not in (429, 503):
                break
            time.sleep(float(response.headers.get("Retry-After", 5)))
        if response.is_error:
            raise ApiError(f"{method} {path}: {response.status_code} {_detail(response)}")
        return response.json() if response.content else None

    def _collect(self, source_id: str) -> None:
        run_id = self.request("POST", f"/api/sources/{source_id}/collect")["run_id"]
        deadline = time.monotonic() + COLLECT_TIMEOUT_S
        while (run := self.request("GET", f"/api/runs/{run_id}"))["finished_at"] is None:
            if time.monotonic() > deadline:
                raise ApiError(f"Collecting the texts took longer than {COLLECT_TIMEOUT_S:,.0f} s.")
            time.sleep(POLL_S)
        if run["state"] != "succeeded":
            raise ApiError(f"The texts could not be collected: the run {run_id} ended as {run['state']}.")


def _detail(response: httpx.Response) -> str:
    """Return what a problem says, or the beginning of another answer."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:500]
