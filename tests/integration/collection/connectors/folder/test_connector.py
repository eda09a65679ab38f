"""Folders: what is listed, what has changed, links and other traps, steps, and folders that may not be read."""

import os
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.folder.config import FolderConfig
from functions.collection.connectors.folder.connector import FolderConnector
from functions.collection.connectors.folder.walk import open_in
from headwater.connectors import ConnectorContext, Entry, Listing
from headwater.errors import SystemicError, UnprocessableContent

OLD = 1_700_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "notes"
    for path, text in {
        "a.md": "# A",
        "b/c.txt": "C",
        "b/d.png": "",
        ".hidden/e.md": "# E",
        "build/f.md": "# F",
        ".gitignore": "build/\n",
        "large.md": "x" * 1_001,
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (OLD, OLD))
    return root


def connector(tmp_path: Path, *, step_s: float = 60, folders: tuple[str, ...] | None = None) -> FolderConnector:
    found = FolderConnector(
        ConnectorContext(
            stage_prefix="staged/a",
            blob_url=(tmp_path / "blobs").as_uri(),
            allow_private=False,
            allow_file_urls=False,
            folders=(str(tmp_path),) if folders is None else folders,
            max_file_bytes=1_000,
            max_batch_bytes=1_000,
            max_source_bytes=1_000,
            timeout_s=60,
        )
    )
    found.step_s = step_s
    return found


def listed(tmp_path: Path, folder: Path, cursor: str | None = None, **config: Any) -> Listing:
    return connector(tmp_path).list(FolderConfig(str(folder), **config), None, cursor, frozenset())


def keys(listing: Listing) -> list[str]:
    return [entry.key for entry in listing.entries]


def test_files_are_listed_and_read(tmp_path: Path, folder: Path) -> None:
    listing = listed(tmp_path, folder)
    assert keys(listing) == ["a.md", "b/c.txt", "large.md"]
    assert listing.unmatched == {".png": 1}
    assert keys(listed(tmp_path, folder, gitignore=False)) == ["a.md", "b/c.txt", "build/f.md", "large.md"]
    assert keys(listed(tmp_path, folder, include=("b/**",), exclude=("**/*.png",))) == ["b/c.txt"]
    config = FolderConfig(str(folder))
    files = {file.key: file for file in connector(tmp_path).fetch(config, None, "", listing.entries)}
    assert files["a.md"].content == b"# A"
    assert files["b/c.txt"].media_type == "text/plain"
    assert files["large.md"].error == "large.md has more than 1,000 bytes (MAX_FILE_BYTES)"


def test_only_files_with_another_size_or_time_are_read_again(tmp_path: Path, folder: Path) -> None:
    first = listed(tmp_path, folder)
    (folder / "a.md").write_text("# Z")
    os.utime(folder / "a.md", (OLD, OLD))  # same size and time: not noticed
    assert listed(tmp_path, folder, first.cursor).entries == first.entries
    os.utime(folder / "a.md", (OLD, OLD + 1))
    changed = listed(tmp_path, folder, first.cursor)
    assert {e.key for e in changed.entries if e not in first.entries} == {"a.md"}
    (folder / "b" / "c.txt").touch()  # another time, the same content
    assert listed(tmp_path, folder, changed.cursor).entries == changed.entries
    (folder / "b" / "c.txt").rename(folder / "moved.txt")
    moved = listed(tmp_path, folder, changed.cursor)
    assert {e.fingerprint for e in moved.entries} == {e.fingerprint for e in changed.entries}


def test_file_that_has_just_changed_is_read_again(tmp_path: Path, folder: Path) -> None:
    (folder / "a.md").write_text("# 1")
    first = listed(tmp_path, folder)
    time = os.stat(folder / "a.md").st_mtime_ns
    (folder / "a.md").write_text("# 2")
    os.utime(folder / "a.md", ns=(time, time))
    assert listed(tmp_path, folder, first.cursor).entries != first.entries


def test_links_pipes_and_odd_names_are_not_read(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret.md").write_text("secret")
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "inner.md").symlink_to("a.md")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.md")
    (folder / os.fsdecode(b"bad\xff.md")).write_text("")
    (folder / "line\nbreak.md").write_text("")
    listing = listed(tmp_path, folder)
    assert keys(listing) == ["a.md", "b/c.txt", "large.md"]
    assert {"link.md", "inner.md", "pipe.md", "bad\\xff.md", "line\\x0abreak.md"} == {k for k, _ in listing.skipped}
    entries = [Entry(key, "x") for key in ("link.md", "linked/secret.md", "pipe.md", "gone.md", "../outside/secret.md")]
    for file in connector(tmp_path).fetch(FolderConfig(str(folder)), None, "", entries[:4]):
        assert file.content is None, file.key
        assert file.error


def test_folder_that_becomes_a_link_is_not_followed(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "c.txt").write_text("secret")
    opened = os.open(folder, os.O_RDONLY)
    (folder / "b").rename(folder / "was-b")
    (folder / "b").symlink_to(outside)
    with pytest.raises(NotADirectoryError), open_in(opened, "b/c.txt"):
        pass
    os.close(opened)


def test_long_listing_goes_on_in_the_next_step(tmp_path: Path, folder: Path) -> None:
    for n in range(5):
        (folder / f"{n}.md").write_text(f"# {n}")
    slow, config = connector(tmp_path, step_s=0), FolderConfig(str(folder))
    listing, steps = slow.list(config, None, None, frozenset()), 0
    while listing.resume:
        steps += 1
        listing = slow.list(config, None, listing.resume, frozenset())
    assert steps >= 3
    assert listing.entries == listed(tmp_path, folder).entries


def test_other_folders_are_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "notes-2").mkdir()
    (folder / "way-out").symlink_to("/etc")
    for path, folders, message in [
        (str(folder), (), "Set FETCH_FOLDERS"),
        (str(tmp_path / "notes-2"), (str(folder),), "not in the folders"),
        ("/etc", (str(folder),), "not in the folders"),
        (str(folder / "way-out"), (str(folder),), "not in the folders"),
        (str(folder / "none"), (str(folder),), "no folder"),
        (str(folder / "a.md"), (str(folder),), "no folder"),
    ]:
        source, config = connector(tmp_path, folders=folders), FolderConfig(path)
        with pytest.raises(UnprocessableContent, match=message):
            source.check(config, None)
        with pytest.raises(SystemicError, match=message):
            source.list(config, None, None, frozenset())
        with pytest.raises(SystemicError, match=message):
            list(source.fetch(config, None, "", [Entry("a.md", "x")]))


@pytest.mark.parametrize("path", ["", "notes", "~/notes", "C:\\notes", "/a\0b"])
def test_path_has_to_be_whole(path: str) -> None:
    with pytest.raises(UnprocessableContent, match=r"config\.path"):
        FolderConfig(path).normalised()


def test_path_is_stored_in_one_form() -> None:
    assert FolderConfig("//home/me/../me/notes/").normalised().path == "/home/me/notes"
