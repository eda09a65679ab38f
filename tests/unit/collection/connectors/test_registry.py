"""Kinds of source: look-up by name, descriptions for forms, normalised configs and providers."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from functions.collection.connectors.git.config import DOCUMENTS
from functions.collection.connectors.registry import (
    describe_kinds,
    find_origin,
    kind_for_new_source,
    kind_of_source,
    max_batch,
)
from headwater.errors import UnprocessableContent


def test_unknown_kind_of_a_new_source_is_rejected_with_known_kinds() -> None:
    with pytest.raises(UnprocessableContent, match=r"no kind of source called 'hg'.*git"):
        kind_for_new_source("hg")


def test_unknown_kind_of_a_stored_source_names_the_extension() -> None:
    with pytest.raises(UnprocessableContent, match="needs the extension 'hg', which isn't installed"):
        kind_of_source("hg")


def test_git_is_described_with_schema_secret_and_identity() -> None:
    [git, *_], unavailable = describe_kinds()
    assert unavailable == []
    assert (git.kind, git.title, git.identity) == ("git", "Git repository", ["url"])
    assert git.secret is not None
    assert git.secret.title == "Access token or private key"
    properties = git.config_schema["properties"]
    assert [*properties] == ["url", "branch", "revision", "path", "include", "exclude", "host_key", "submodules"]
    assert all(field["title"] and field["description"] for field in properties.values())
    assert all(field["examples"] for name, field in properties.items() if name != "submodules")
    assert git.config_schema["required"] == ["url"]
    assert properties["include"]["default"][:3] == ("**/*.md", "**/*.mdx", "**/*.markdown")


def test_descriptions_are_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(describe_kinds()))


def test_normalise_returns_every_field_in_its_stored_form() -> None:
    assert kind_of_source("git").normalise({"url": " https://h.example/r/ "}) == {
        "url": "https://h.example/r",
        "branch": None,
        "revision": None,
        "path": None,
        "include": list(DOCUMENTS),
        "exclude": [],
        "host_key": None,
        "submodules": False,
    }


@pytest.mark.parametrize(
    ("kind", "config", "origin"),
    [
        ("git", {"url": "https://github.com/o/r"}, "https://github.com"),
        ("git", {"url": "file:///srv/r"}, None),
        ("mail_box", {"host": "imap.example.com:993"}, "tcp://imap.example.com:993"),
        ("wiki", {"url": "not a URL"}, None),
        ("notion", {"database": "7f3a"}, "notion"),
        ("uploads", {}, None),
    ],
)
def test_origin_is_the_server_that_the_config_names(kind: str, config: dict[str, Any], origin: str | None) -> None:
    assert find_origin(kind, config) == origin


def test_describing_connectors_loads_no_git_client() -> None:
    heavy = "dulwich paramiko urllib3 obstore"
    code = (
        "import sys; from functions.collection.connectors.registry import describe_kinds; describe_kinds();"
        f"sys.exit(sorted(set({heavy.split()!r}) & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_git_fetches_more_documents_at_once_than_other_kinds() -> None:
    assert [max_batch(kind) for kind in ("git", "site", "extension_that_is_not_installed")] == [128, 64, 64]
