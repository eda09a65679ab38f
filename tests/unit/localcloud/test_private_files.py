"""Files with secrets: created privately, rejected when others can read them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.private_files import PrivateFileError, load_or_create_token, write_private_file


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_token_is_created_once_with_32_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data" / "token"
    token = load_or_create_token(path)
    assert len(token) == 43, "base64 of 32 bytes"
    assert load_or_create_token(path) == token != load_or_create_token(tmp_path / "other")
    assert [oct(file.stat().st_mode & 0o777) for file in (path, path.parent)] == ["0o600", "0o700"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_token_that_others_can_read_or_write_is_rejected(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    load_or_create_token(path)
    path.chmod(mode)
    with pytest.raises(PrivateFileError, match="Other users may know"):
        load_or_create_token(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file to another user")
def test_token_of_another_user_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "token"
    load_or_create_token(path)
    os.chown(path, 65000, 65000)
    with pytest.raises(PrivateFileError, match="Other users may know"):
        load_or_create_token(path)


@pytest.mark.parametrize("content", ["", "short", "x" * 31, "ключ" * 20])
def test_token_that_can_be_guessed_or_not_sent_is_rejected(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    write_private_file(path, content)
    with pytest.raises(PrivateFileError, match="at least 32 ASCII characters"):
        load_or_create_token(path)


def test_private_file_replaces_a_link_instead_of_following_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("before")
    (tmp_path / "key").symlink_to(victim)
    write_private_file(tmp_path / "key", "secret")
    assert victim.read_text() == "before"
    assert (tmp_path / "key").read_text() == "secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "victim"]
