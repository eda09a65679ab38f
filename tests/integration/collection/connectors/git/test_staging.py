"""Staging of a shallow clone's files in the blob store, for servers without partial clone."""

from pathlib import Path

import pytest

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.connector import GitConnector
from headwater.blobs import Blobs, open_blobs
from headwater.connectors import Entry
from headwater.errors import PermanentError
from headwater.outbound.guarded_http import guarded_http
from tests.harness.git_server import GIT, File, Name, Server, commit, git, make_repository, serve

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

FILES: dict[Name, File] = {f"d{n % 40:02}/{n:04}.md": f"# Page {n}\n".encode() + bytes(2) * n for n in range(60)}


def make_connector(blobs: Blobs) -> GitConnector:
    http = guarded_http(allow_private=True)
    return GitConnector(http=http, blobs=blobs, stage_prefix="staged/source", file_urls=False, limits=None)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "r.git", FILES)


def config_of(server: Server) -> GitConfig:
    return GitConfig(url=f"{server.url}/r.git")


def contents(
    connector: GitConnector, config: GitConfig, snapshot: str, entries: list[Entry]
) -> dict[str, bytes | None]:
    return {file.key: file.content for file in connector.fetch(config, None, snapshot, entries)}


def test_shallow_clone_stages_unknown_files_below_its_prefix(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    connector = make_connector(blobs)
    with serve(repository.parent, partial=False) as server:
        config = config_of(server)
        fingerprints = [entry.fingerprint for entry in connector.list(config, None, None, frozenset()).entries]
        blobs.delete_prefix("staged/source")
        listing = connector.list(config, None, None, frozenset(fingerprints[1:]))
        staged = [f"staged/source/{listing.snapshot}/{fingerprint}" for fingerprint in fingerprints]
        assert [blobs.exists(key) for key in staged] == [True] + [False] * (len(FILES) - 1)
        server.reset()
        first = listing.entries[:1]
        assert contents(connector, config, listing.snapshot, first) == {first[0].key: FILES[first[0].key]}
        assert server.bytes_sent < 1_000  # only the server's capabilities


def test_missing_staged_files_are_staged_again(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    connector = make_connector(blobs)
    with serve(repository.parent, partial=False) as server:
        config = config_of(server)
        listing = connector.list(config, None, None, frozenset())
        commit(repository, {"later.md": b"later\n"})
        blobs.delete_prefix("staged/source")
        assert contents(connector, config, listing.snapshot, listing.entries) == FILES
        server.reset()
        assert contents(connector, config, listing.snapshot, listing.entries) == FILES
        assert server.bytes_sent < 1_000


def test_file_skipped_as_known_can_still_be_fetched(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    connector = make_connector(blobs)
    with serve(repository.parent, partial=False) as server:
        config = config_of(server)
        fingerprints = frozenset(entry.fingerprint for entry in connector.list(config, None, None, frozenset()).entries)
        blobs.delete_prefix("staged/source")
        commit(repository, {"moved.md": FILES["d00/0000.md"], "d00/0000.md": None})
        listing = connector.list(config, None, None, fingerprints)
        moved = [entry for entry in listing.entries if entry.key == "moved.md"]
        assert contents(connector, config, listing.snapshot, moved) == {"moved.md": FILES["d00/0000.md"]}


def test_staged_file_missing_on_the_server_is_a_permanent_error(repository: Path) -> None:
    blobs = open_blobs("memory:///")
    connector = make_connector(blobs)
    with serve(repository.parent, partial=False, protocol_v2=False) as server:
        config = config_of(server)
        listing = connector.list(config, None, None, frozenset())
        blobs.delete_prefix("staged/source")
        git("update-ref", "-d", "refs/heads/main", cwd=repository)
        commit(repository, {"later.md": b"later\n"})  # protocol 0 serves only commits that a branch reaches
        with pytest.raises(PermanentError, match="Collect again"):
            list(connector.fetch(config, None, listing.snapshot, listing.entries))
