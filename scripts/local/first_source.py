"""Add Headwater's own docs as the first source of a new workspace and collect them, through the API."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = "docs"
QUESTION = "How are documents removed?"
COLLECT_TIMEOUT_S = 600.0
POLL_S = 0.5
REQUEST_TIMEOUT_S = 30.0


class ApiError(Exception):
    """A request to the API failed."""


async def add_first_source(api: str, checkout: Path, *, say: Callable[[str], None]) -> None:
    """Add and collect the docs of the checkout, unless the workspace has a source. Failures are reported, not raised.

    `api`: the Worker's base URL. `say` gets a line for each thing that happens.
    """
    if not (checkout / ".git").exists():
        say(f"Headwater's docs were not added as a first source: {checkout} is not a Git repository.")
        return
    try:
        sources = (await _request("GET", f"{api}/api/sources"))["sources"]
        if not sources:
            await _add_and_collect(api, checkout, say)
    except (ApiError, TimeoutError) as error:
        say(f"Headwater's docs could not be collected as a first source: {error}")


async def _add_and_collect(api: str, checkout: Path, say: Callable[[str], None]) -> None:
    config = {"url": checkout.as_uri(), "branch": None, "path": FOLDER, "include": ["**/*.md"], "exclude": []}
    source = await _request("POST", f"{api}/api/sources", {"kind": "git", "name": "Headwater docs", "config": config})
    started = await _request("POST", f"{api}/api/sources/{source['id']}/collect")
    say(f"added {FOLDER}/ of this checkout as the first source; collecting it")
    async with asyncio.timeout(COLLECT_TIMEOUT_S):
        while (run := await _request("GET", f"{api}/api/runs/{started['run_id']}"))["finished_at"] is None:
            await asyncio.sleep(POLL_S)
    if run["state"] != "succeeded":
        say(f"the first source ended as {run['state']}; see {api}/runs/{run['id']}")
    else:
        say(f"collected {run['total']} documents. Try a question: {QUESTION}")


async def _request(method: str, url: str, body: Any = None) -> Any:
    return await asyncio.to_thread(_send, method, url, None if body is None else json.dumps(body).encode())


def _send(method: str, url: str, body: bytes | None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=REQUEST_TIMEOUT_S) as response:
            return json.load(response)
    except (OSError, ValueError) as error:
        raise ApiError(f"{method} {url}: {error}") from error
