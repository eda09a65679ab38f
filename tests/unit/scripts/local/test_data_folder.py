"""The data folder: private to its user, also if it was not before."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local.data_folder import make_private
from scripts.local.stack import StackError


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): oct(path.lstat().st_mode & 0o777) for path in paths if not path.is_symlink()}


def test_missing_folder_is_created_privately(tmp_path: Path) -> None:
    make_private(tmp_path / "data")
    assert modes(tmp_path / "data") == {".": "0o700"}


def test_existing_folder_is_taken_from_other_users(tmp_path: Path) -> None:
    for name in ("cloud/logs/x", "logs", "models"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("env", "token", "cloud/logs/x/task0.log", "logs/chat.log.1", "models/tokenizer.json"):
        (tmp_path / name).write_text("secret")
    tmp_path.chmod(0o777)
    make_private(tmp_path)
    folders = dict.fromkeys((".", "cloud", "cloud/logs", "cloud/logs/x", "logs", "models"), "0o700")
    files = ("env", "token", "cloud/logs/x/task0.log", "logs/chat.log.1", "models/tokenizer.json")
    assert modes(tmp_path) == folders | dict.fromkeys(files, "0o600")


def test_links_and_files_of_others_stay_as_they_are(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    (data / "logs").mkdir(parents=True)
    other.mkdir()
    (other / "file").touch(0o644)
    (data / "logs" / "link").symlink_to(other)
    (data / "cloud").symlink_to(other)
    (data / "notes.txt").touch(0o644)
    make_private(data)
    assert modes(other) == {".": "0o777", "file": "0o644"}
    assert modes(data)["notes.txt"] == "0o644"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a folder to another user")
def test_folder_of_another_user_is_rejected(tmp_path: Path) -> None:
    os.chown(tmp_path, 65000, 65000)
    with pytest.raises(StackError, match="belongs to another user"):
        make_private(tmp_path)
