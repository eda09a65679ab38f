"""Sources that can't be: each is refused when it is added, with a problem that says what to do."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

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
    """A collection function that may do neither."""
    with serve_function("collection", free_port(), environment(module_database)) as client:
        yield client


def add(client: httpx.Client, url: str, **config: Any) -> httpx.Response:
    return client.post("/api/sources", json={"kind": "git", "name": "docs", "config": {"url": url, **config}})


def assert_refused(response: httpx.Response, *words: str) -> None:
    assert response.status_code == 422, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    detail = response.json()["detail"]
    assert all(word in detail for word in words), detail
    assert response.json()["request_id"]


def test_a_good_one_is_added_and_told_without_its_token(laptop: httpx.Client, git_server: Server) -> None:
    response = add(laptop, f"{git_server.url}/docs")
    assert response.status_code == 201, response.text
    source = response.json()
    assert (source["kind"], source["has_token"], source["last_run"]) == ("git", False, None)
    assert laptop.get(f"/api/sources/{source['id']}").json()["config"]["include"] == ["**/*.md", "**/*.mdx"]
    assert laptop.delete(f"/api/sources/{source['id']}").status_code == 204
    assert laptop.get(f"/api/sources/{source['id']}").status_code == 404


def test_a_url_that_is_not_a_repository(laptop: httpx.Client, git_server: Server) -> None:
    assert_refused(add(laptop, f"{git_server.url}/nothing"), "repository", "404")


def test_a_host_that_cannot_be_reached(laptop: httpx.Client, free_port: Callable[[], int]) -> None:
    assert_refused(add(laptop, f"http://127.0.0.1:{free_port()}/docs"), "refused")
    assert_refused(add(laptop, "https://no-such-host.invalid/docs"), "no-such-host.invalid")


def test_one_that_needs_a_token(laptop: httpx.Client, repositories: Path) -> None:
    with serve(repositories, partial=True, token="right-token") as server:
        assert_refused(add(laptop, f"{server.url}/docs"), "token")
        wrong = {"kind": "git", "name": "d", "config": {"url": f"{server.url}/docs"}, "token": "wrong-token"}
        response = laptop.post("/api/sources", json=wrong)
        assert_refused(response, "token")
        assert "wrong-token" not in response.text


def test_a_token_without_a_key_to_encrypt_it_with(laptop: httpx.Client, git_server: Server) -> None:
    body = {"kind": "git", "name": "d", "config": {"url": f"{git_server.url}/docs"}, "token": "secret-token"}
    response = laptop.post("/api/sources", json=body)
    assert_refused(response, "SECRET_KEY")
    assert "secret-token" not in response.text


def test_an_unknown_branch(laptop: httpx.Client, git_server: Server) -> None:
    assert_refused(add(laptop, f"{git_server.url}/docs", branch="nope"), "nope", "main")


@pytest.mark.parametrize("path", ["../secrets", "/etc", "docs/../../x"])
def test_a_path_that_leaves_the_tree(laptop: httpx.Client, git_server: Server, path: str) -> None:
    assert_refused(add(laptop, f"{git_server.url}/docs", path=path), "config.path")


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
def test_private_addresses_where_they_are_not_allowed(cloud: httpx.Client, url: str) -> None:
    assert_refused(add(cloud, url), "FETCH_PRIVATE")


@pytest.mark.parametrize("url", ["http://169.254.169.254/computeMetadata/v1/", "http://[fd00:ec2::254]/latest"])
def test_metadata_addresses_are_never_allowed(laptop: httpx.Client, cloud: httpx.Client, url: str) -> None:
    for client in (laptop, cloud):
        assert_refused(add(client, url.rstrip("/")), "metadata")


def test_an_unspecified_address_is_never_allowed(laptop: httpx.Client) -> None:
    assert_refused(add(laptop, "http://0.0.0.0/docs"), "unspecified")


def test_files_where_they_are_not_allowed(cloud: httpx.Client, repositories: Path) -> None:
    assert_refused(add(cloud, (repositories / "docs").as_uri()), "file")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "ftp://example.org/x",
        "git@example.org:a/b.git",
        "https://user:pw@example.org/a/b",
        "javascript:1",
    ],
)
def test_what_is_no_address_at_all(laptop: httpx.Client, url: str) -> None:
    response = add(laptop, url)
    assert_refused(response, "config.url")
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
def test_create_source_names_the_invalid_field(laptop: httpx.Client, changes: dict[str, Any], word: str) -> None:
    valid = {"kind": "git", "name": "x", "config": {"url": "https://example.org/a"}}
    assert_refused(laptop.post("/api/sources", json={**valid, **changes}), word)
