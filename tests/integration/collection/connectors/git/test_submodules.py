"""Submodules from real servers: their files, tokens, host keys, refusals, and the address guard."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.connector import GitConnector
from functions.collection.connectors.git.submodules import MAX_SUBMODULES
from headwater.blobs import Blobs, open_blobs
from headwater.connectors import Fetched, Listing
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.guarded_socket import connect_guarded
from tests.fakes.lfs_server import CONTENT, Lfs, pointer
from tests.harness.git_server import GIT, Submodule, commit, git, make_repository, password_of, serve
from tests.harness.sshd import serve_ssh

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git on the PATH")

PARTS = {"docs/pump.md": b"# Pump\n", "pump.png": b"\x89PNG", "own.md": b"# Own\n"}
TOKEN = "a-secret-token"


def make(folder: Path, files: Mapping[str, Any]) -> Path:
    return make_repository(folder, {name: files[name] for name in files})


def modules(**urls: str) -> bytes:
    sections = (f'[submodule "{name}"]\n\tpath = vendor/{name}\n\turl = {url}\n' for name, url in urls.items())
    return "".join(sections).encode()


def make_pair(folder: Path, url: str = "../parts.git") -> str:
    """Make a repository and its submodule `vendor/parts`. Returns the submodule's commit."""
    parts = git("rev-parse", "main", cwd=make(folder / "parts.git", PARTS))
    files = {".gitmodules": modules(parts=url), "README.md": b"# Handbook\n", "vendor/parts": Submodule(parts)}
    make(folder / "handbook.git", files)
    return parts


def open_connector(*, allow_private: bool = True, blobs: Blobs | None = None) -> GitConnector:
    def connect(host: str, port: int, timeout_s: float) -> Any:
        return connect_guarded(host, port, allow_private=allow_private, timeout_s=timeout_s)

    return GitConnector(
        http=guarded_http(allow_private=allow_private),
        connect=connect,
        blobs=blobs or open_blobs("memory:///"),
        stage_prefix="staged/source",
        file_urls=True,
    )


def collect(
    url: str, secret: str | None = None, connector: GitConnector | None = None, **config: Any
) -> tuple[Listing, dict[str, Fetched]]:
    connector = connector or open_connector()
    settings = GitConfig(url, **{"submodules": True, **config}).normalised()
    listing = connector.list(settings, secret, None, frozenset())
    return listing, {file.key: file for file in connector.fetch(settings, secret, listing.snapshot, listing.entries)}


def contents(files: dict[str, Fetched]) -> dict[str, bytes | None]:
    return {key: file.content for key, file in files.items()}


ALL = {"README.md": b"# Handbook\n", "vendor/parts/docs/pump.md": b"# Pump\n", "vendor/parts/own.md": b"# Own\n"}


@pytest.mark.parametrize("partial", [True, False])
def test_files_of_submodules_are_collected_on_request(tmp_path: Path, partial: bool) -> None:
    make_pair(tmp_path)
    with serve(tmp_path, partial=partial) as server:
        url = f"{server.url}/handbook.git"
        listing, files = collect(url)
        assert contents(files) == ALL
        assert listing.skipped == []
        without, files = collect(url, submodules=False)
        assert [*files] == ["README.md"]
        [(folder, reason)] = without.skipped
        assert (folder, "turn submodules on" in reason) == ("vendor/parts", True)


def test_submodule_keeps_its_commit_and_patterns_see_the_whole_path(tmp_path: Path) -> None:
    make_pair(tmp_path)
    commit(tmp_path / "parts.git", {"docs/pump.md": b"# Newer\n"})
    _, files = collect((tmp_path / "handbook.git").as_uri(), include=("vendor/*/docs/**",), exclude=("**/*.png",))
    assert contents(files) == {"vendor/parts/docs/pump.md": b"# Pump\n"}


def test_fetch_finds_submodules_again_after_the_stage_is_lost(tmp_path: Path) -> None:
    make_pair(tmp_path)
    with serve(tmp_path, partial=True) as server:
        config = GitConfig(f"{server.url}/handbook.git", submodules=True)
        listing = open_connector().list(config, None, None, frozenset())
        files = open_connector().fetch(config, None, listing.snapshot, listing.entries)
        assert {file.key: file.content for file in files} == ALL


def test_token_goes_to_the_own_server_only(tmp_path: Path) -> None:
    with serve(tmp_path, partial=True, token=TOKEN) as server, serve(tmp_path, partial=True) as other:
        own = git("rev-parse", "main", cwd=make(tmp_path / "parts.git", PARTS))
        urls = {"near": f"{server.url}/parts.git", "far": f"{other.url}/parts.git"}
        links = {f"vendor/{name}": Submodule(own) for name in urls}
        make(tmp_path / "handbook.git", {".gitmodules": modules(**urls), **links})
        _, files = collect(f"{server.url}/handbook.git", TOKEN)
        assert sorted(files) == [
            f"vendor/{name}/{key}" for name in ("far", "near") for key in ("docs/pump.md", "own.md")
        ]
        assert {password_of(one) for one in server.authorizations} == {TOKEN}
        assert set(other.authorizations) == {None}


def test_ssh_address_of_the_own_host_is_read_over_http(tmp_path: Path) -> None:
    make_pair(tmp_path, "ssh://git@127.0.0.1/parts.git")
    with serve(tmp_path, partial=True) as server:
        _, files = collect(f"{server.url}/handbook.git")
    assert contents(files) == ALL


def test_ssh_address_of_another_host_needs_a_key(tmp_path: Path) -> None:
    make_pair(tmp_path, "git@git.example.invalid:acme/parts.git")
    with serve(tmp_path, partial=True) as server:
        listing, _ = collect(f"{server.url}/handbook.git")
    assert "needs a private key" in dict(listing.skipped)["vendor/parts"]


def test_content_in_lfs_of_a_submodule_is_read_from_its_server(tmp_path: Path) -> None:
    parts = git("rev-parse", "main", cwd=make(tmp_path / "parts.git", {"a.md": pointer()}))
    files = {".gitmodules": modules(parts="../parts.git"), "vendor/parts": Submodule(parts)}
    make(tmp_path / "handbook.git", files)
    with serve(tmp_path, partial=True) as server:
        lfs = Lfs(server)
        _, found = collect(f"{server.url}/handbook.git")
        assert contents(found) == {"vendor/parts/a.md": CONTENT}
        assert lfs.authorizations[0][0] == "/parts.git/info/lfs/objects/batch"


def test_submodules_are_read_over_ssh_with_the_sources_key(tmp_path: Path) -> None:
    make_pair(tmp_path)
    with serve_ssh(tmp_path / "server") as server:
        url = server.url(tmp_path / "handbook.git")
        _, files = collect(url, server.private_key, host_key=server.fingerprint)
        assert contents(files) == ALL


@contextmanager
def internal_server() -> Iterator[list[int]]:
    """Run a server that counts connections. Yields its port and their number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen = [listener.getsockname()[1], 0]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    seen[1] += 1
                    peer.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield seen
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(60)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001"])
def test_address_of_a_submodule_passes_the_guard(tmp_path: Path, host: str) -> None:
    with internal_server() as internal:
        urls = {
            "a": f"http://{host}:{internal[0]}/parts.git",
            "b": f"ssh://git@{host}:{internal[0]}/parts.git",
            "c": "http://169.254.169.254/latest",
        }
        links = {f"vendor/{name}": Submodule("a" * 40) for name in urls}
        make(tmp_path / "handbook.git", {".gitmodules": modules(**urls), "README.md": b"# Handbook\n", **links})
        listing, files = collect(
            (tmp_path / "handbook.git").as_uri(), connector=open_connector(allow_private=False), host_key=""
        )
        assert [*files] == ["README.md"]
        assert sorted(key for key, _ in listing.skipped) == ["vendor/a", "vendor/b", "vendor/c"]
        assert internal[1] == 0


def test_submodule_that_cannot_be_read_is_an_item_with_its_reason(tmp_path: Path) -> None:
    urls = {
        "disk": (tmp_path / "parts.git").as_uri(),
        "gone": "../gone.git",
        "odd": "ext::sh -c id",
        "password": "https://ann:secret@example.com/x.git",
    }
    names = [*urls, "unnamed"]
    own = git("rev-parse", "main", cwd=make(tmp_path / "parts.git", PARTS))
    links = {f"vendor/{name}": Submodule(own) for name in names}
    make(tmp_path / "handbook.git", {".gitmodules": modules(**urls), "README.md": b"# A\n", **links})
    with serve(tmp_path, partial=True) as server:
        listing, files = collect(f"{server.url}/handbook.git")
    reasons = dict(listing.skipped)
    assert [*files] == ["README.md"]
    assert "no submodules on this computer" in reasons["vendor/disk"]
    assert "HTTP 404" in reasons["vendor/gone"]
    assert "can't be used" in reasons["vendor/odd"]
    assert "remove the user name and password" in reasons["vendor/password"]
    assert "no address in .gitmodules" in reasons["vendor/unnamed"]


def test_number_of_submodules_is_limited(tmp_path: Path) -> None:
    names = [f"m{number:02}" for number in range(MAX_SUBMODULES + 1)]
    own = git("rev-parse", "main", cwd=make(tmp_path / "parts.git", {"a.md": b"# A\n"}))
    links = {f"vendor/{name}": Submodule(own) for name in names}
    make(tmp_path / "handbook.git", {".gitmodules": modules(**dict.fromkeys(names, "../parts.git")), **links})
    listing, files = collect((tmp_path / "handbook.git").as_uri())
    assert len(files) == MAX_SUBMODULES
    [(folder, reason)] = listing.skipped
    assert (folder, "more than 20 submodules" in reason) == (f"vendor/{names[-1]}", True)


def test_damaged_file_of_submodules_fails_nothing_else(tmp_path: Path) -> None:
    files = {".gitmodules": b"[submodule\n\xff\0", "README.md": b"# A\n", "vendor/parts": Submodule("a" * 40)}
    make(tmp_path / "handbook.git", files)
    listing, found = collect((tmp_path / "handbook.git").as_uri())
    assert [*found] == ["README.md"]
    assert "no address" in dict(listing.skipped)["vendor/parts"]
