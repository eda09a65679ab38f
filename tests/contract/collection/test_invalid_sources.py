"""Validation of a new source: unreachable, forbidden and invalid ones are rejected with the reason."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.collection.connectors.registry import describe_kinds
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.git_server import Server, serve
from tests.harness.pipeline import Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: serves repositories with it")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repositories")
    Repository(folder / "docs").write({"a.md": "# A\n\ntext\n"})
    return folder


@pytest.fixture(scope="module")
def git_server(repositories: Path) -> Iterator[Server]:
    with serve(repositories, partial=True) as server:
        yield server


def environment(database: FreshDatabase, **changes: str) -> dict[str, str]:
    return {"DATABASE_URL": database.url, "EMBEDDING_MODEL": "constant", **changes}


@pytest.fixture(scope="module")
def laptop(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[httpx.Client]:
    """A collection function that may fetch from private addresses and from files."""
    settings = environment(module_database, FETCH_PRIVATE="true", FETCH_FILE_URLS="true")
    with serve_function("collection", free_port(), settings) as client:
        yield client


@pytest.fixture(scope="module")
def cloud(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[httpx.Client]:
    """A collection function that may fetch from neither."""
    with serve_function("collection", free_port(), environment(module_database)) as client:
        yield client


def add_source(client: httpx.Client, url: str, **config: Any) -> httpx.Response:
    return client.post("/api/sources", json={"kind": "git", "name": "docs", "config": {"url": url, **config}})


def assert_rejected(response: httpx.Response, *words: str) -> None:
    assert response.status_code == 422, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    detail = response.json()["detail"]
    assert all(word in detail for word in words), detail
    assert response.json()["request_id"]


def test_valid_source_is_added_and_deleted(laptop: httpx.Client, git_server: Server) -> None:
    response = add_source(laptop, f"{git_server.url}/docs")
    assert response.status_code == 201, response.text
    source = response.json()
    assert (source["kind"], source["has_token"], source["last_run"]) == ("git", False, None)
    assert laptop.get(f"/api/sources/{source['id']}").json()["config"]["include"][:2] == ["**/*.md", "**/*.mdx"]
    assert laptop.delete(f"/api/sources/{source['id']}").status_code == 204
    assert laptop.get(f"/api/sources/{source['id']}").status_code == 404


def test_url_without_a_repository_is_rejected(laptop: httpx.Client, git_server: Server) -> None:
    assert_rejected(add_source(laptop, f"{git_server.url}/nothing"), "repository", "404")


def test_unreachable_host_is_rejected(laptop: httpx.Client, free_port: Callable[[], int]) -> None:
    assert_rejected(add_source(laptop, f"http://127.0.0.1:{free_port()}/docs"), "refused")
    assert_rejected(add_source(laptop, "https://no-such-host.invalid/docs"), "no-such-host.invalid")


def test_missing_or_wrong_token_is_rejected(laptop: httpx.Client, repositories: Path) -> None:
    with serve(repositories, partial=True, token="right-token") as server:
        assert_rejected(add_source(laptop, f"{server.url}/docs"), "token")
        wrong = {"kind": "git", "name": "d", "config": {"url": f"{server.url}/docs"}, "token": "wrong-token"}
        response = laptop.post("/api/sources", json=wrong)
        assert_rejected(response, "token")
        assert "wrong-token" not in response.text


def test_token_is_rejected_without_a_secret_key(laptop: httpx.Client, git_server: Server) -> None:
    body = {"kind": "git", "name": "d", "config": {"url": f"{git_server.url}/docs"}, "token": "secret-token"}
    response = laptop.post("/api/sources", json=body)
    assert_rejected(response, "SECRET_KEY")
    assert "secret-token" not in response.text


def test_unknown_branch_is_rejected(laptop: httpx.Client, git_server: Server) -> None:
    assert_rejected(add_source(laptop, f"{git_server.url}/docs", branch="nope"), "nope", "main")


@pytest.mark.parametrize("path", ["../secrets", "/etc", "docs/../../x"])
def test_path_outside_the_repository_is_rejected(laptop: httpx.Client, git_server: Server, path: str) -> None:
    assert_rejected(add_source(laptop, f"{git_server.url}/docs", path=path), "config.path")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/docs",
        "http://localhost:8787/docs",
        "http://[::1]/docs",
        "http://10.0.0.1/docs",
        "http://192.168.1.1/docs",
        "http://2130706433/docs",
    ],
)
def test_private_address_is_rejected_unless_allowed(cloud: httpx.Client, url: str) -> None:
    assert_rejected(add_source(cloud, url), "FETCH_PRIVATE")


@pytest.mark.parametrize("url", ["http://169.254.169.254/computeMetadata/v1/", "http://[fd00:ec2::254]/latest"])
def test_metadata_address_is_always_rejected(laptop: httpx.Client, cloud: httpx.Client, url: str) -> None:
    assert_rejected(add_source(laptop, url.rstrip("/")), "never fetches from")
    assert_rejected(add_source(cloud, url.rstrip("/")), "public addresses only")


def test_unspecified_address_is_always_rejected(laptop: httpx.Client) -> None:
    assert_rejected(add_source(laptop, "http://0.0.0.0/docs"), "never fetches from")


def test_file_url_is_rejected_unless_allowed(cloud: httpx.Client, repositories: Path) -> None:
    assert_rejected(add_source(cloud, (repositories / "docs").as_uri()), "FETCH_FILE_URLS")


def test_ssh_address_without_a_key_is_rejected(laptop: httpx.Client) -> None:
    assert_rejected(add_source(laptop, "git@example.org:a/b.git"), "private key")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "ftp://example.org/x",
        "https://user:pw@example.org/a/b",
        "javascript:1",
    ],
)
def test_invalid_url_is_rejected_without_repeating_its_password(laptop: httpx.Client, url: str) -> None:
    response = add_source(laptop, url)
    assert_rejected(response, "config.url")
    assert "pw@" not in response.text


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"kind": "rss"}, "rss"),
        ({"name": ""}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"config": {}}, "url"),
        ({"config": {"url": "https://example.org/a", "include": "*.md"}}, "include"),
        ({"config": {"url": "https://example.org/a", "include": []}}, "include"),
        ({"config": {"url": "https://example.org/a", "include": ["[x"]}}, "include"),
        ({"config": {"url": "https://example.org/a", "surprise": 1}}, "surprise"),
    ],
)
def test_invalid_field_is_named(laptop: httpx.Client, changes: dict[str, Any], word: str) -> None:
    valid = {"kind": "git", "name": "x", "config": {"url": "https://example.org/a"}}
    assert_rejected(laptop.post("/api/sources", json={**valid, **changes}), word)


@pytest.mark.parametrize("field", ["include", "exclude"])
def test_nul_character_in_a_pattern_is_rejected(laptop: httpx.Client, git_server: Server, field: str) -> None:
    assert_rejected(add_source(laptop, f"{git_server.url}/docs", **{field: ["\0"]}), "NUL")


SECRET_KINDS = {
    "git": {"url": "https://example.invalid/a"},
    "github": {"url": "https://github.com/a/b"},
    "gitlab": {"url": "https://gitlab.com/a/b"},
    "confluence": {"url": "https://a.example.invalid"},
    "notion": {},
    "google_drive": {},
    "mail": {"host": "imap.example.invalid", "user": "anna"},
    "bucket": {"url": "https://s3.example.invalid/bucket"},
    "wordpress": {"url": "https://blog.example.invalid"},
}


def test_each_kind_with_a_secret_is_tried() -> None:
    assert {kind.kind for kind in describe_kinds()[0] if kind.secret} == SECRET_KINDS.keys()


@pytest.mark.parametrize("kind", SECRET_KINDS)
@pytest.mark.parametrize("token", ["first-line\nsecond-line", "one\x1b[0m"])
def test_token_that_cannot_be_sent_is_refused(cloud: httpx.Client, kind: str, token: str) -> None:
    body = {"kind": kind, "name": "d", "config": SECRET_KINDS[kind], "token": token}
    response = cloud.post("/api/sources", json=body)
    assert_rejected(response, "token has", "at position", "Copy it again")
    assert "line\n" not in response.text
    assert "first-line" not in response.text


@pytest.mark.parametrize("kind", ["github", "gitlab", "notion", "confluence"])
def test_token_with_letters_that_no_header_has_is_refused(cloud: httpx.Client, kind: str) -> None:
    body = {"kind": kind, "name": "d", "config": SECRET_KINDS[kind], "token": "abc\u2013def"}
    assert_rejected(cloud.post("/api/sources", json=body), "The token has characters that no token has")


def test_token_of_a_kind_without_one_is_refused(laptop: httpx.Client) -> None:
    new = {"kind": "uploads", "name": "u", "config": {}}
    refused = laptop.post("/api/sources", json={**new, "token": "secret"})
    assert_rejected(refused, "token: sources of the kind 'uploads' have none. Leave the field out.")
    source = laptop.post("/api/sources", json={**new, "token": None}).json()
    assert laptop.patch(f"/api/sources/{source['id']}", json={"token": "secret"}).status_code == 422
    assert laptop.patch(f"/api/sources/{source['id']}", json={"token": ""}).status_code == 200


def test_changed_token_that_cannot_be_sent_is_refused(laptop: httpx.Client, git_server: Server) -> None:
    source = add_source(laptop, f"{git_server.url}/docs").json()
    response = laptop.patch(f"/api/sources/{source['id']}", json={"token": "first-line\nsecond-line"})
    assert_rejected(response, "token has a line break at position 11")
