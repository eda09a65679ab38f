"""The page of standing questions in a real browser, against the running stack."""

from pathlib import Path

import httpx

from tests.harness.browser import browse, needs_browser
from tests.harness.stacks import RunningStack, wait_until

pytestmark = needs_browser


def test_standing_question_is_created_asked_and_deleted(stack: RunningStack, tmp_path: Path) -> None:
    source = {"kind": "uploads", "name": "Compass guide", "config": {}}
    with httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60, trust_env=False) as client:
        id_ = client.post("/api/sources", json=source).raise_for_status().json()["id"]
        document = {"key": "install.md", "text": "Install the compass with pip."}
        client.put(f"/api/sources/{id_}/documents", json=document).raise_for_status()
        runs = "/api/runs", {"source_id": id_}
        wait_until(
            lambda: [run["state"] for run in client.get(runs[0], params=runs[1]).json()["runs"]] == ["succeeded"]
        )
        browse("standing-questions", tmp_path, stack.url, "Compass guide", states=8, token=stack.token)
        client.delete(f"/api/sources/{id_}").raise_for_status()
        for conversation in client.get("/api/conversations").json()["conversations"]:
            if conversation["id"].startswith("standing-"):
                client.delete(f"/api/conversations/{conversation['id']}").raise_for_status()
