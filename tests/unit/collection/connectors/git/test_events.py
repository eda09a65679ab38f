"""Which pushes concern a branch."""

import json

import pytest

from functions.collection.connectors.git.events import is_pushed

GITHUB = {"repository": {"default_branch": "trunk", "id": 1}}
GITLAB = {"object_kind": "push", "project": {"default_branch": "trunk"}, "repository": {"name": "docs"}}


@pytest.mark.parametrize("server", [GITHUB, GITLAB], ids=["GitHub", "GitLab"])
@pytest.mark.parametrize(
    ("branch", "ref", "expected"),
    [
        (None, "refs/heads/trunk", True),
        (None, "refs/heads/main", False),
        (None, "refs/tags/trunk", False),
        ("main", "refs/heads/main", True),
        ("main", "refs/heads/main/x", False),
        ("main", "refs/heads/trunk", False),
        ("feature/x", "refs/heads/feature/x", True),
    ],
)
def test_push_concerns_its_branch(server: dict[str, object], branch: str | None, ref: str, *, expected: bool) -> None:
    assert is_pushed(branch, json.dumps({"ref": ref, **server}).encode()) is expected


@pytest.mark.parametrize("event", [b"", b"{}", b"[]", b"payload=%7B%7D", b"\xff", b'{"ref": 1}', b"[" * 100_000])
def test_event_that_is_not_understood_may_concern_every_branch(event: bytes) -> None:
    assert is_pushed("main", event)
