"""Addresses of GitLab sources, and which events concern them."""

import json
from typing import Any

import pytest

from functions.collection.connectors.gitlab.config import GitLabConfig
from functions.collection.connectors.gitlab.events import is_related
from headwater.errors import UnprocessableContent


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("gitlab.com/acme/handbook", "https://gitlab.com/acme/handbook"),
        ("https://gitlab.com/acme/docs/handbook.git", "https://gitlab.com/acme/docs/handbook"),
        ("https://gitlab.com/acme/handbook/-/issues?state=opened", "https://gitlab.com/acme/handbook"),
        ("https://gitlab.com/groups/acme/-/issues", "https://gitlab.com/acme"),
        ("https://git.acme.example:8443/a/b/", "https://git.acme.example:8443/a/b"),
    ],
)
def test_address_is_stored_in_one_form(url: str, stored: str) -> None:
    assert GitLabConfig(url).normalised().url == stored


@pytest.mark.parametrize("url", ["https://gitlab.com/", "https://gitlab.com/a%20b", "https://gitlab.com/" + "a/" * 30])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UnprocessableContent, match=r"config\.url"):
        GitLabConfig(url).normalised()


@pytest.mark.parametrize(
    ("event", "path", "expected"),
    [
        ({"object_kind": "issue"}, "acme/handbook", True),
        ({"object_kind": "issue"}, "acme/old", False),
        ({"object_kind": "issue"}, "acmes/handbook", False),
        ({"object_kind": "merge_request"}, "acme/handbook", False),
        ({"object_kind": "note", "object_attributes": {"noteable_type": "Issue"}}, "acme/handbook", True),
        ({"object_kind": "note", "object_attributes": {"noteable_type": "MergeRequest"}}, "acme/handbook", False),
        ({"object_kind": "note", "object_attributes": {"noteable_type": "Commit"}}, "acme/handbook", False),
        ({"object_kind": "wiki_page"}, "Acme/Handbook", True),
        ({"object_kind": "push", "ref": "refs/heads/main"}, "acme/handbook", False),
        ({"object_kind": "something_new"}, "acme/handbook", True),
    ],
)
def test_event_concerns_what_is_collected(event: dict[str, Any], path: str, *, expected: bool) -> None:
    config = GitLabConfig("https://gitlab.com/acme", merge_requests=False, exclude=("old",))
    body = json.dumps({**event, "project": {"path_with_namespace": path}}).encode()
    assert is_related(config, body) is expected


@pytest.mark.parametrize("event", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"project": 1}'])
def test_event_that_is_not_understood_may_concern_every_source(event: bytes) -> None:
    assert is_related(GitLabConfig("https://gitlab.com/acme"), event)
