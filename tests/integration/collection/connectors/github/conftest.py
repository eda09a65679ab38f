"""A GitHub server with a repository of three threads and a release."""

from collections.abc import Iterator

import pytest

from functions.collection.connectors.github import authorization
from tests.fakes.api_server import running
from tests.fakes.github import GitHub

REPO = "acme/handbook"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    monkeypatch.setattr(authorization, "DELAY_S", 0.0)
    with running(GitHub()) as server:
        server.repository(REPO)
        server.issue(REPO, 1, title="Pump leaks", body="# It drips\nSince Monday.", comments=("Tighten it.", "Done."))
        server.issue(REPO, 2, labels=[{"name": "docs"}], state="closed")
        server.issue(REPO, 3, pull_request={"merged_at": "2024-02-01T00:00:00Z"}, state="closed")
        review = server.remark("https://x.example/r", "", state="APPROVED", submitted_at="2024-01-03T00:00:00Z")
        server.comments[REPO, 3, "pulls/reviews"] = [review]
        line = server.remark("https://x.example/l", "Name it.", path="src/a.py")
        server.comments[REPO, 3, "pulls/comments"] = [line]
        server.release(REPO, "v1")
        server.release(REPO, "v2", draft=True)
        yield server
