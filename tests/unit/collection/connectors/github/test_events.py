"""Which events of GitHub concern a source."""

import json
from typing import Any

import pytest

from functions.collection.connectors.github.config import GitHubConfig
from functions.collection.connectors.github.events import is_related

HERE = {"repository": {"full_name": "Acme/Handbook"}}
CONFIG = GitHubConfig("https://github.com/acme/handbook", pull_requests=False)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"action": "opened", "issue": {"number": 1}}, True),
        ({"action": "created", "issue": {"number": 1}, "comment": {"body": "x"}}, True),
        ({"action": "created", "issue": {"number": 1, "pull_request": {}}}, False),
        ({"action": "opened", "pull_request": {"number": 1}}, False),
        ({"action": "published", "release": {"tag_name": "v1"}}, True),
        ({"action": "created", "discussion": {"number": 1}}, False),
        ({"ref": "refs/heads/main", "commits": []}, False),
        ({"action": "completed", "workflow_run": {}}, False),
        ({"action": "renamed"}, True),
    ],
)
def test_event_concerns_what_is_collected(event: dict[str, Any], *, expected: bool) -> None:
    assert is_related(CONFIG, json.dumps({**event, **HERE}).encode()) is expected


@pytest.mark.parametrize(
    ("url", "name", "expected"),
    [
        ("https://github.com/acme/handbook", "acme/other", False),
        ("https://github.com/acme", "acme/other", True),
        ("https://github.com/acme", "acme/old-archive", False),
        ("https://github.com/acme", "evil/handbook", False),
        ("https://github.com/octo?tab=stars", "any/thing", True),
    ],
)
def test_event_concerns_its_repository(url: str, name: str, *, expected: bool) -> None:
    event = {"action": "opened", "issue": {"number": 1}, "repository": {"full_name": name}}
    assert is_related(GitHubConfig(url, exclude=("*-archive",)), json.dumps(event).encode()) is expected


@pytest.mark.parametrize("event", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"repository": 1}'])
def test_event_that_is_not_understood_may_concern_every_source(event: bytes) -> None:
    assert is_related(CONFIG, event)
