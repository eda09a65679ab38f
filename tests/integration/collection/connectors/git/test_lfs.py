"""Files in Git LFS: read from a server and from disk, checked, limited, and refused with a reason."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.git.config import GitConfig, GitLimits
from functions.collection.connectors.git.connector import GitConnector
from functions.collection.connectors.git.lfs import read_pointer
from headwater.blobs import open_blobs
from headwater.connectors import Fetched
from headwater.errors import UpstreamError
from headwater.outbound.guarded_http import guarded_http
from tests.fakes.lfs_server import CONTENT, OID, TOKEN, Lfs, pointer
from tests.harness.git_server import GIT, File, Name, Server, make_repository, serve

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    files: dict[Name, File] = {
        "lfs.md": pointer(),
        "plain.md": b"# Plain",
        "broken.md": pointer().replace(b"size", b"sighs"),
    }
    make_repository(tmp_path / "project.git", files)
    with serve(tmp_path, partial=True) as server:
        yield server


def fetch(url: str, *, allow_private: bool = True, token: str | None = TOKEN, **limits: Any) -> dict[str, Fetched]:
    connector = GitConnector(
        http=guarded_http(allow_private=allow_private),
        blobs=open_blobs("memory:///"),
        stage_prefix="staged/a",
        file_urls=True,
        limits=GitLimits(**limits),
    )
    config = GitConfig(url)
    listing = connector.list(config, token, None, frozenset())
    return {file.key: file for file in connector.fetch(config, token, listing.snapshot, listing.entries)}


def test_content_is_read_in_place_of_the_pointer(server: Server) -> None:
    lfs = Lfs(server)
    files = fetch(f"{server.url}/project.git")
    assert files["lfs.md"].content == CONTENT
    assert files["plain.md"].content == b"# Plain"
    assert files["broken.md"].error == "broken.md is a damaged pointer of Git LFS; commit it again with git-lfs"
    assert {token for _, token in lfs.authorizations} == {TOKEN}
    assert lfs.authorizations[0][0] == "/project.git/info/lfs/objects/batch"


def test_token_is_not_sent_to_another_host(server: Server) -> None:
    lfs = Lfs(server)
    lfs.href = lfs.href.replace("127.0.0.1", "localhost")
    assert fetch(f"{server.url}/project.git")["lfs.md"].content == CONTENT
    assert lfs.authorizations[1] == (f"/storage/{OID}", None)


def change(**values: Any) -> Callable[[Lfs], None]:
    return lambda lfs: lfs.__dict__.update(values)


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (change(content=CONTENT[:-1] + b"!"), "SHA-256"),
        (change(content=CONTENT[:-1]), "SHA-256"),
        (change(content=CONTENT * 100_000), "sent more than"),
        (change(href="http://169.254.169.254/latest"), "never connects to"),
        (change(href="file:///etc/passwd"), "no web address"),
        (change(href="http://[/"), "address"),
        (change(batch={"objects": []}), "doesn't offer"),
        (change(batch={"objects": [{"oid": OID, "error": {"code": 404, "message": "Gone\u202e"}}]}), "404 Gone"),
        (change(batch=[]), "no valid answer"),
        (change(status=403), "check the token's permissions"),
    ],
)
def test_hostile_server_fails_the_file_only(server: Server, hostile: Callable[[Lfs], None], reason: str) -> None:
    hostile(Lfs(server))
    files = fetch(f"{server.url}/project.git")
    assert files["lfs.md"].content is None
    assert reason in str(files["lfs.md"].error)
    assert files["plain.md"].content == b"# Plain"


def test_server_that_is_down_is_tried_again(server: Server) -> None:
    Lfs(server).status = 503
    with pytest.raises(UpstreamError, match="HTTP 503"):
        fetch(f"{server.url}/project.git")


def test_content_above_the_limit_is_not_requested(tmp_path: Path) -> None:
    make_repository(tmp_path / "project.git", {"lfs.md": pointer(size=10**12)})
    with serve(tmp_path, partial=True) as server:
        lfs = Lfs(server)
        assert "MAX_FILE_BYTES" in str(fetch(f"{server.url}/project.git")["lfs.md"].error)
        assert lfs.authorizations == []


def test_repository_on_disk_has_contents_itself(tmp_path: Path) -> None:
    repository = tmp_path / "project.git"
    make_repository(repository, {"lfs.md": pointer(), "missing.md": pointer(b"other")})
    folder = repository / "lfs" / "objects" / OID[:2] / OID[2:4]
    folder.mkdir(parents=True)
    (folder / OID).write_bytes(CONTENT)
    files = fetch(repository.as_uri())
    assert files["lfs.md"].content == CONTENT
    assert "git lfs fetch" in str(files["missing.md"].error)
    (folder / OID).write_bytes(CONTENT[:-1] + b"!")
    assert "SHA-256" in str(fetch(repository.as_uri())["lfs.md"].error)


@pytest.mark.parametrize("content", [b"", b"# LFS", pointer() + b"x" * 2_000, pointer()[:40], pointer() + b"more\n"])
def test_other_contents_are_no_pointers(content: bytes) -> None:
    assert read_pointer(content) is None
