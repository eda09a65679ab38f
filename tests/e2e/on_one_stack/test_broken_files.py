"""Collect broken files and bombs while readers search. `--every-input` collects 300 files."""

import re
from pathlib import Path

import httpx
import pytest

from tests.harness.broken_files import SMALL_BOMBS, bombs, broken
from tests.harness.peak_memory import peak_bytes
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, wait_until

MAX_PROCESS_BYTES = 1024**3
UNCLEAR = re.compile(r"failed in|ended in|Error:")


def largest_process(stack: RunningStack) -> int:
    """Return the most bytes that a running process of the stack has had in memory."""
    return max(peak_bytes(process.pid) for process in stack.family())


def test_api_answers_while_broken_files_are_collected(
    stack: RunningStack, client: httpx.Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_whole = request.config.getoption("--every-input")
    files = {name: content for name, content in bombs() if is_whole or name in SMALL_BOMBS}
    files |= dict(broken(300 - len(files) if is_whole else 30, seed=3))
    repository = Repository(tmp_path / "repository")
    repository.write({f"broken/{name}": content for name, content in files.items()})
    config = {"url": repository.url, "include": ["**/*"]}
    source = client.post("/api/sources", json={"kind": "git", "name": "broken", "config": config}).json()
    run_id = client.post(f"/api/sources/{source['id']}/collect").json()["run_id"]
    answers, peak = 0, 0

    def has_ended() -> bool:
        nonlocal answers, peak
        sources, search = client.get("/api/sources"), client.get("/api/search", params={"q": "compass"})
        assert (sources.status_code, search.status_code) == (200, 200), search.text
        assert search.json()["hits"]
        answers += 1
        peak = max(peak, largest_process(stack))
        return bool(client.get(f"/api/runs/{run_id}").json()["state"] != "running")

    wait_until(has_ended, 900)
    run = client.get(f"/api/runs/{run_id}").json()
    counts = run["counts"]
    assert (run["state"], counts["added"] + counts["failed"]) == ("partial", len(files))
    assert min(counts["added"], counts["failed"]) >= len(files) // 5
    listed = client.get(f"/api/runs/{run_id}/items", params={"state": "failed", "limit": 1000}).json()["items"]
    reasons = {item["key"]: item["reason"] for item in listed}
    assert len(reasons) == counts["failed"]
    assert not {key: reason for key, reason in reasons.items() if not reason or UNCLEAR.search(reason)}
    assert answers >= 2
    assert peak < MAX_PROCESS_BYTES
