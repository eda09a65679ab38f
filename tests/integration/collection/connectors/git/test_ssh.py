"""Git over SSH from a real sshd: deploy keys, host keys, both versions of the protocol, and the guard."""

import base64
import json
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.confidential import ConfidentialReader
from functions.collection.connectors.git.connector import GitConnector
from functions.collection.connectors.registry import kind_for_new_source
from headwater.blobs import open_blobs
from headwater.connectors import ConnectorContext, Fetched
from headwater.errors import HeadwaterError, UnprocessableContent, UpstreamError
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.guarded_socket import connect_guarded
from tests.fakes.lfs_server import CONTENT, TOKEN, Lfs, pointer
from tests.harness.git_server import File, Name, commit, git, make_repository, serve
from tests.harness.sshd import SshServer, make_key, serve_ssh

BASIC = base64.b64encode(f"any:{TOKEN}".encode()).decode()
FILES: dict[Name, File] = {"README.md": b"# Handbook\n", "docs/pump.md": b"# Pump\n", "logo.png": b"\x89PNG"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ssh")
    repository = make_repository(folder / "hand book's.git", FILES)
    git("config", "uploadpack.allowFilter", "true", cwd=repository)
    git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=repository)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[SshServer]:
    with serve_ssh(folder / "server") as running:
        yield running


def context_of(*, allow_private: bool = True) -> ConnectorContext:
    return ConnectorContext(
        stage_prefix="staged/source",
        blob_url="memory:///",
        allow_private=allow_private,
        allow_file_urls=False,
        max_file_bytes=1_000_000,
        max_batch_bytes=16_000_000,
        max_source_bytes=100_000_000,
        timeout_s=60,
    )


def open_source(server: SshServer, folder: Path, key: str | None = None, **config: Any) -> ConfidentialReader:
    kind = kind_for_new_source("git")
    fields = {"url": server.url(folder / "hand book's.git").replace(" ", "%20"), "host_key": server.fingerprint}
    allow_private = config.pop("allow_private", True)
    secret = server.private_key if key is None else key
    reader = kind.open(context_of(allow_private=allow_private), kind.normalise({**fields, **config}), secret)
    return ConfidentialReader(reader, secret)


def read(reader: ConfidentialReader) -> dict[str, bytes | None]:
    listing = reader.list(None, frozenset())
    return {file.key: file.content for file in reader.fetch(listing.snapshot, listing.entries)}


def test_files_are_collected_with_a_deploy_key(server: SshServer, folder: Path) -> None:
    reader = open_source(server, folder)
    reader.check()
    assert read(reader) == {"README.md": b"# Handbook\n", "docs/pump.md": b"# Pump\n"}
    before = reader.list(None, frozenset())
    commit(folder / "hand book's.git", {"docs/pump.md": b"# Pump 2\n"})
    after = reader.list(None, frozenset())
    assert {entry.key for entry in set(after.entries) - set(before.entries)} == {"docs/pump.md"}
    commit(folder / "hand book's.git", {"docs/pump.md": b"# Pump\n"})


def test_key_of_one_line_is_read(server: SshServer, folder: Path) -> None:
    open_source(server, folder, server.private_key.replace("\n", " ")).check()


@pytest.mark.parametrize("key_type", ["rsa", "ecdsa"])
def test_server_without_protocol_2_and_other_types_of_keys(key_type: str, folder: Path, tmp_path: Path) -> None:
    with serve_ssh(tmp_path / "server", protocol_v2=False, key_type=key_type) as old:
        reader = open_source(old, folder)
        assert sorted(read(reader)) == ["README.md", "docs/pump.md"]


def test_unknown_host_key_is_shown_and_another_one_refused(server: SshServer, folder: Path) -> None:
    with pytest.raises(UnprocessableContent, match=r"enter it as config\.host_key") as raised:
        open_source(server, folder, host_key="").check()
    assert server.fingerprint in raised.value.message
    logins = server.log.read_text().count("Accepted publickey")
    other = "SHA256:" + "A" * 43
    with pytest.raises(UnprocessableContent, match=r"another key than config\.host_key"):
        open_source(server, folder, host_key=other).check()
    assert server.log.read_text().count("Accepted publickey") == logins


def test_wrong_keys_are_explained_and_never_quoted(server: SshServer, folder: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "other", "ed25519")
    make_key(tmp_path / "locked", "ed25519", "passphrase")
    other, locked = (tmp_path / "other").read_text(), (tmp_path / "locked").read_text()
    for key, reason in [
        (other, "as a deploy key"),
        (locked, "has a passphrase"),
        ("ghp_token", "needs a private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "can't be read"),
    ]:
        with pytest.raises(UnprocessableContent, match=reason) as raised:
            open_source(server, folder, key).check()
        assert not [line for line in key.splitlines()[1:-1] if line in raised.value.message]


def test_missing_repository_is_explained(server: SshServer, folder: Path) -> None:
    url = server.url(folder / "nothing.git")
    with pytest.raises(UnprocessableContent, match=r"nothing.*can't be read.*deploy key"):
        open_source(server, folder, url=url).check()


def test_private_address_is_refused_before_anything_is_sent(server: SshServer, folder: Path) -> None:
    def connections() -> list[str]:
        return [line for line in server.log.read_text().splitlines() if line.startswith("Connection from")]

    before = connections()
    assert before, "the server logs them"
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
        url = f"ssh://{server.user}@{host}:{server.port}{folder}/x.git"
        with pytest.raises(HeadwaterError):
            open_source(server, folder, url=url, allow_private=False).check()
    assert connections() == before


def test_silent_server_and_one_of_another_protocol_end_in_time(folder: Path, server: SshServer) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                peer, _ = listener.accept()
                with peer:
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"ssh://git@127.0.0.1:{listener.getsockname()[1]}/x.git"
        with pytest.raises(UnprocessableContent, match=r"SSH connection to 127\.0\.0\.1 failed|did not answer"):
            open_source(server, folder, url=url).check()


def test_large_files_end_their_transfer(server: SshServer, folder: Path) -> None:
    repository = make_repository(folder / "large.git", {"a.md": bytes(range(256)) * 8_000, "b.md": b"small"})
    git("config", "uploadpack.allowFilter", "true", cwd=repository)
    files = open_source(server, folder, url=server.url(repository))
    listing = files.list(None, frozenset())
    found = {file.key: file for file in files.fetch(listing.snapshot, listing.entries)}
    assert ("MAX_FILE_BYTES" in str(found["a.md"].error), found["b.md"].content) == (True, b"small")


def test_nothing_of_the_key_is_logged(server: SshServer, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    read(open_source(server, folder))
    lines = server.private_key.splitlines()[1:-1]
    assert not [line for line in lines if line in caplog.text]


def test_time_is_limited(server: SshServer, folder: Path) -> None:
    from functions.collection.connectors.git.config import GitLimits

    connector = GitConnector(
        http=guarded_http(allow_private=True),
        connect=partial(_connect_and_wait),
        blobs=open_blobs("memory:///"),
        stage_prefix="staged/source",
        limits=GitLimits(transfer_s=0.01),
    )
    config = connector.config_type(
        url=server.url(folder / "hand book's.git").replace(" ", "%20"), host_key=server.fingerprint
    )
    with pytest.raises(UpstreamError, match=r"in 0\.01 s"):
        connector.list(config, server.private_key, None, frozenset())


def _connect_and_wait(host: str, port: int, timeout_s: float) -> Any:
    return connect_guarded(host, port, allow_private=True, timeout_s=timeout_s)


@pytest.fixture
def lfs_folder(folder: Path) -> Path:
    return make_repository(folder / "it's lfs.git", {"a.md": pointer(), "b.md": b"# Plain\n"})


def authenticate(server: SshServer, answer: str, status: int = 0) -> None:
    """Let the server answer git-lfs-authenticate."""
    program = server.commands / "git-lfs-authenticate"
    (server.commands / "answer").write_text(answer)
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" > {server.commands}/asked\ncat {server.commands}/answer\n')
    with program.open("a") as script:
        script.write(f"echo no access for you >&2\nexit {status}\n" if status else "")
    program.chmod(0o755)


def read_lfs(server: SshServer, repository: Path, **config: Any) -> dict[str, Fetched]:
    reader = open_source(server, repository, url=server.url(repository).replace(" ", "%20"), **config)
    listing = reader.list(None, frozenset())
    return {file.key: file for file in reader.fetch(listing.snapshot, listing.entries)}


def test_contents_in_lfs_are_read_where_the_server_says(server: SshServer, lfs_folder: Path, tmp_path: Path) -> None:
    with serve(tmp_path, partial=True) as web:
        lfs = Lfs(web)
        access = {"href": f"{web.url}/project.git/info/lfs", "header": {"Authorization": f"Basic {BASIC}"}}
        authenticate(server, json.dumps(access))
        files = read_lfs(server, lfs_folder)
        assert (files["a.md"].content, files["b.md"].content) == (CONTENT, b"# Plain\n")
        assert lfs.authorizations[0] == ("/project.git/info/lfs/objects/batch", TOKEN)
    assert (server.commands / "asked").read_text().split(" download")[0] == str(lfs_folder)


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ("", 1, "git-lfs-authenticate failed on 127.0.0.1 (no access for you)"),
        ("no JSON", 0, "the answer of git-lfs-authenticate can't be read"),
        ("x" * 100_000, 0, "its answer is too long"),
        ('{"href": "file:///etc/passwd"}', 0, "names no web address"),
        ('{"href": "http://[/"}', 0, "names no web address"),
        ('{"href": "http://169.254.169.254/latest"}', 0, "never connects to"),
    ],
)
def test_lfs_server_that_cannot_be_read_fails_its_file_only(
    server: SshServer, lfs_folder: Path, answer: str, status: int, reason: str
) -> None:
    authenticate(server, answer, status)
    files = read_lfs(server, lfs_folder)
    assert reason in str(files["a.md"].error)
    assert (files["a.md"].content, files["b.md"].content) == (None, b"# Plain\n")


def test_server_without_lfs_is_reported(server: SshServer, lfs_folder: Path) -> None:
    (server.commands / "git-lfs-authenticate").unlink(missing_ok=True)
    assert "git-lfs-authenticate failed on 127.0.0.1" in str(read_lfs(server, lfs_folder)["a.md"].error)
