"""Add Headwater's own docs as the first source of a new workspace and collect them, through the API."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "docs"
QUESTION = "How are documents removed?"
COLLECT_TIMEOUT_S = 600.0
POLL_S = 0.5
REQUEST_TIMEOUT_S = 30.0


class ApiError(Exception):
    """A request to the API failed."""


@dataclass(frozen=True)
class Api:
    """The API at the Worker's base URL, with the token of this machine's user."""

    url: str
    token: str

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of the response. Raises ApiError."""
        data = None if body is None else json.dumps(body).encode()
        return await asyncio.to_thread(self._send, method, path, data)

    def _send(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Content-Type": "application/json"} if body else {})
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=REQUEST_TIMEOUT_S) as response:
                return json.load(response)
        except (OSError, ValueError) as error:
            raise ApiError(f"{method} {self.url}{path}: {error}") from error


async def add_first_source(api: Api, checkout: Path, *, say: Callable[[str], None]) -> None:
    """Add and collect the docs of the checkout, unless the workspace has a source. Failures are reported, not raised.

    `say` gets a line for each thing that happens.
    """
    if not (checkout / ".git").exists():
        say(f"Headwater's docs were not added as a first source: {checkout} is not a Git repository.")
        return
    try:
        sources = (await api.request("GET", "/api/sources"))["sources"]
        if not sources:
            await _add_and_collect(api, checkout, say)
    except (ApiError, TimeoutError) as error:
        say(f"Headwater's docs could not be collected as a first source: {error}")


async def _add_and_collect(api: Api, checkout: Path, say: Callable[[str], None]) -> None:
    config = {"url": checkout.as_uri(), "branch": None, "path": FOLDER, "include": ["**/*.md"], "exclude": []}
    source = await api.request("POST", "/api/sources", {"kind": "git", "name": "Headwater docs", "config": config})
    started = await api.request("POST", f"/api/sources/{source['id']}/collect")
    say(f"added {FOLDER}/ of this checkout as the first source; collecting it")
    async with asyncio.timeout(COLLECT_TIMEOUT_S):
        while (run := await api.request("GET", f"/api/runs/{started['run_id']}"))["finished_at"] is None:
            await asyncio.sleep(POLL_S)
    if run["state"] != "succeeded":
        say(f"the first source ended as {run['state']}; see {api.url}/runs/{run['id']}")
    else:
        say(f"collected {run['total']} documents. Try a question: {QUESTION}")
