"""Paths of file stores: nothing but a file below the folder."""

import uuid

import pytest

from headwater.errors import UnprocessableContent
from headwater.file_store.places import Place, blob_key, check_path, check_paths, path_of_attachment

HOSTILE = [
    "",
    "/etc/passwd",
    "..",
    "../secret",
    "a/../../secret",
    "a/./b",
    "a//b",
    "a/",
    "./a",
    "a\\..\\b",
    "C:\\Windows",
    "a\0b",
    "a\nb",
    "a\u202eb",
    "\ud800",
    "/".join("a" * 33),
    "x" * 256,
    "d/" * 500 + "a",
]


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_paths_are_refused(path: str) -> None:
    with pytest.raises(UnprocessableContent):
        check_path(path)


@pytest.mark.parametrize("path", ["a", "src/app.py", ".env", "a b.txt", "übersicht.md", "...", "a..b", "%2e%2e"])
def test_ordinary_paths_are_accepted(path: str) -> None:
    assert check_path(path) == path


def test_path_below_a_file_is_refused() -> None:
    with pytest.raises(UnprocessableContent, match="below another file"):
        check_paths(["a", "a/b"])


@pytest.mark.parametrize(
    "name", ["a.pdf", "Screenshot at 9.41\u202fAM.png", "a\\b", "..", "ü" * 200, "\U0001f600" * 200]
)
def test_every_name_of_an_attached_file_becomes_a_path(name: str) -> None:
    path = path_of_attachment(name)
    assert check_path(path)
    assert path[-1] == name[-1] or name == ".."


def test_blobs_of_conversations_are_in_folders_of_their_own() -> None:
    workspace = uuid.UUID(int=1)
    keys = {blob_key(Place(workspace, name), "00") for name in ("a", "A", "b")}
    assert len({key.lower() for key in keys}) == 3
    assert all(key.startswith(f"conversations/{workspace}/") for key in keys)
