"""Tags and commits as revisions, over HTTP and from disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.git.config import GitConfig, document_url
from functions.collection.connectors.git.connector import GitConnector
from headwater.blobs import open_blobs
from headwater.errors import HeadwaterError, UnprocessableContent
from headwater.outbound.guarded_http import guarded_http
from tests.harness.git_server import GIT, commit, git, make_repository, serve

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with the tags `light`, `annotated` and `nested` at its first commit of two."""
    folder = make_repository(tmp_path / "project.git", {"a.md": b"# Old"})
    git("tag", "light", cwd=folder)
    git("tag", "-a", "-m", "x", "annotated", cwd=folder)
    git("tag", "-a", "-m", "x", "nested", "annotated", cwd=folder)
    git("tag", "of-a-file", "HEAD:a.md", cwd=folder)
    commit(folder, {"a.md": b"# New"})
    return folder


@contextmanager
def url_of(repository: Path, transport: str) -> Iterator[str]:
    if transport == "file":
        yield repository.as_uri()
        return
    with serve(repository.parent, partial=transport == "partial clone") as server:
        yield f"{server.url}/project.git"


def connector() -> GitConnector:
    http, blobs = guarded_http(allow_private=True), open_blobs("memory:///")
    return GitConnector(http=http, blobs=blobs, stage_prefix="staged/a", file_urls=True)


def text_at(url: str, **config: Any) -> bytes | None:
    source, revision = connector(), GitConfig(url, **config).normalised()
    source.check(revision, None)
    listing = source.list(revision, None, None, frozenset())
    [file] = source.fetch(revision, None, listing.snapshot, listing.entries)
    return file.content


@pytest.mark.parametrize("transport", ["partial clone", "shallow clone", "file"])
def test_tags_and_commits_are_collected(repository: Path, transport: str) -> None:
    first = git("rev-parse", "light", cwd=repository)
    with url_of(repository, transport) as url:
        assert text_at(url) == b"# New"
        for revision in ("light", "refs/tags/annotated", "nested", first, first.upper()):
            assert text_at(url, revision=revision) == b"# Old", revision


@pytest.mark.parametrize("transport", ["partial clone", "file"])
def test_unknown_revisions_are_errors(repository: Path, transport: str) -> None:
    with url_of(repository, transport) as url:
        with pytest.raises(UnprocessableContent, match=r"no tag 'v9'.* Tags: of-a-file, nested, light, annotated"):
            connector().check(GitConfig(url, revision="v9"), None)
        for revision in ("1" * 40, "of-a-file"):
            with pytest.raises(HeadwaterError):
                connector().list(GitConfig(url, revision=revision), None, None, frozenset())


def test_revision_is_a_tag_or_a_full_commit() -> None:
    for revision in ("v1..v2", "a b", "-x", "x" * 251):
        with pytest.raises(UnprocessableContent, match=r"config\.revision"):
            GitConfig("https://g.example/a", revision=revision).normalised()
    with pytest.raises(UnprocessableContent, match="not both"):
        GitConfig("https://g.example/a", branch="main", revision="v1").normalised()
    assert GitConfig("https://g.example/a", revision=" refs/tags/v1 ").normalised().revision == "v1"


def test_commit_never_changes_and_a_tag_has_pages() -> None:
    push = b'{"ref": "refs/heads/main"}'
    assert not GitConnector.is_related(GitConfig("https://g.example/a", revision="1" * 40), push)
    assert GitConnector.is_related(GitConfig("https://g.example/a", branch="main"), push)
    assert document_url("https://github.com/o/r", "v1.0", "a.md") == "https://github.com/o/r/blob/v1.0/a.md"
