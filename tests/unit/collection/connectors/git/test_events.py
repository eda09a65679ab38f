"""Which pushes concern a branch or a tag."""

import json

import pytest

from functions.collection.connectors.git.events import is_pushed

GITHUB = {"repository": {"default_branch": "trunk", "id": 1}}
GITLAB = {"object_kind": "push", "project": {"default_branch": "trunk"}, "repository": {"name": "docs"}}


@pytest.mark.parametrize("server", [GITHUB, GITLAB], ids=["GitHub", "GitLab"])
@pytest.mark.parametrize(
    ("wanted", "ref", "expected"),
    [
        ("HEAD", "refs/heads/trunk", True),
        ("HEAD", "refs/heads/main", False),
        ("HEAD", "refs/tags/trunk", False),
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main", "refs/heads/main/x", False),
        ("refs/heads/main", "refs/heads/trunk", False),
        ("refs/heads/feature/x", "refs/heads/feature/x", True),
        ("refs/tags/v1", "refs/tags/v1", True),
        ("refs/tags/v1", "refs/heads/v1", False),
    ],
)
def test_push_concerns_its_branch_or_tag(server: dict[str, object], wanted: str, ref: str, *, expected: bool) -> None:
    assert is_pushed(wanted, json.dumps({"ref": ref, **server}).encode()) is expected


@pytest.mark.parametrize("event", [b"", b"{}", b"[]", b"payload=%7B%7D", b"\xff", b'{"ref": 1}', b"[" * 100_000])
def test_event_that_is_not_understood_may_concern_every_branch(event: bytes) -> None:
    assert is_pushed("refs/heads/main", event)
