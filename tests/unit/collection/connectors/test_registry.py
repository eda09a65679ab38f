"""Kinds of source: found by name, described for a form, and named as the provider of their steps."""

from typing import Any

import msgspec
import pytest

from functions.collection.connectors.registry import describe_kinds, find_kind, provider_of
from headwater.errors import UnprocessableContent


def test_find_kind_names_the_known_kinds_for_an_unknown_one() -> None:
    with pytest.raises(UnprocessableContent, match=r"'hg'.*git"):
        find_kind("hg")


def test_git_is_described_with_a_schema_a_secret_and_its_identity() -> None:
    [git] = describe_kinds()
    assert (git.kind, git.title, git.identity) == ("git", "Git repository", ["url"])
    assert git.secret is not None
    assert git.secret.title == "Access token"
    properties = git.config_schema["properties"]
    assert [*properties] == ["url", "branch", "path", "include", "exclude"]
    assert all(field["title"] and field["description"] and field["examples"] for field in properties.values())
    assert git.config_schema["required"] == ["url"]
    assert properties["include"]["default"] == ("**/*.md", "**/*.mdx")


def test_descriptions_are_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(describe_kinds()))


def test_normalise_returns_every_field_in_its_stored_form() -> None:
    assert find_kind("git").normalise({"url": " https://h.example/r/ "}) == {
        "url": "https://h.example/r",
        "branch": None,
        "path": None,
        "include": ["**/*.md", "**/*.mdx"],
        "exclude": [],
    }


@pytest.mark.parametrize(
    ("kind", "config", "provider"),
    [
        ("git", {"url": "https://github.com/o/r"}, "git github.com"),
        ("git", {"url": "file:///srv/r"}, None),
        ("mail", {"host": "imap.example.com:993"}, "mail imap.example.com"),
        ("notion", {"database": "7f3a"}, "notion"),
    ],
)
def test_provider_is_the_server_that_the_config_names(kind: str, config: dict[str, Any], provider: str | None) -> None:
    assert provider_of(kind, config) == provider
