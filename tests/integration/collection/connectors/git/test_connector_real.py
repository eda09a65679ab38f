"""The Git connector on a real documentation repository in the folder HEADWATER_DATA."""

import os
from pathlib import Path

import pytest

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.connector import GitConnector
from headwater.blobs import open_blobs
from headwater.outbound.guarded_http import guarded_http
from tests.harness.git_server import GIT, git, serve

DATA = os.environ.get("HEADWATER_DATA", "")
BUNDLE = Path(DATA, "cpp-build-docs.bundle")

pytestmark = [
    pytest.mark.skipif(GIT is None, reason="needs git on the PATH"),
    pytest.mark.skipif(not DATA or not BUNDLE.exists(), reason="needs HEADWATER_DATA with cpp-build-docs.bundle"),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "docs.git"
    git("clone", "--quiet", "--bare", BUNDLE, folder)
    return folder


@pytest.mark.parametrize("partial", [True, False])
def test_listing_and_files_of_a_real_repository_equal_gits(repository: Path, partial: bool) -> None:
    lines = git("ls-tree", "-r", "HEAD", cwd=repository).splitlines()
    expected = {line.partition("\t")[2]: line.split()[2] for line in lines if line.endswith(".md")}
    assert len(expected) > 600
    connector = GitConnector(
        http=guarded_http(allow_private=True), blobs=open_blobs("memory:///"), stage_prefix="staged"
    )
    with serve(repository.parent, partial=partial) as server:
        config = GitConfig(url=f"{server.url}/{repository.name}")
        listing = connector.list(config, None, None, frozenset())
        assert {entry.key: entry.fingerprint for entry in listing.entries} == expected
        batch = listing.entries[::10]
        fetched = {file.key: file.content for file in connector.fetch(config, None, listing.snapshot, batch)}
    assert set(fetched) == {entry.key for entry in batch}
    for key, content in fetched.items():
        assert content is not None
        assert git("hash-object", "--stdin", stdin=content) == expected[key]


def test_next_collect_of_a_real_repository_transfers_under_a_tenth(repository: Path) -> None:
    new = git("rev-parse", "HEAD", cwd=repository)
    old = git("rev-parse", "HEAD~1", cwd=repository)
    connector = GitConnector(
        http=guarded_http(allow_private=True), blobs=open_blobs("memory:///"), stage_prefix="staged"
    )
    with serve(repository.parent, partial=True) as server:
        config = GitConfig(url=f"{server.url}/{repository.name}")
        git("update-ref", "HEAD", old, cwd=repository)
        fingerprints = {entry.fingerprint for entry in connector.list(config, None, None, frozenset()).entries}
        git("update-ref", "HEAD", new, cwd=repository)
        server.reset()
        listing = connector.list(config, None, None, fingerprints)
        changed = [entry for entry in listing.entries if entry.fingerprint not in fingerprints]
        assert changed
        assert len(list(connector.fetch(config, None, listing.snapshot, changed))) == len(changed)
        assert server.bytes_sent < sum(file.stat().st_size for file in repository.rglob("*.pack")) / 10
