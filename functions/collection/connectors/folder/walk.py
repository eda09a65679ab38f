"""Walk a folder without following symbolic links, and open files in it the same way.

Every part of a path is opened relative to its parent with O_NOFOLLOW. So nothing outside is read, even if a folder is
replaced by a symbolic link at that moment.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from functions.collection.connectors.folder.gitignore import MAX_BYTES, Ignored, is_ignored, read_gitignore
from headwater.connectors import MAX_KEY_BYTES
from headwater.errors import PermanentError, SystemicError
from headwater.filters.globs import Selector

MAX_VISITED = 1_000_000
MAX_SELECTED = 100_000
MAX_DEPTH = 64
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER_FLAGS = _FLAGS | os.O_DIRECTORY


class FileStat(NamedTuple):
    """A file's size, and when it was changed last, in nanoseconds."""

    size: int
    changed_ns: int


class Walked(NamedTuple):
    """The selected files, the reasons of those that can't be collected, and the number of others by file extension."""

    files: dict[str, FileStat]
    skipped: dict[str, str]
    unmatched: Counter[str]


def resolve_folder(path: str, roots: tuple[str, ...]) -> str:
    """Return a folder's real path; raises SystemicError unless it exists and is in one of the `roots`."""
    if not roots:
        raise SystemicError("This installation collects no folders. Set FETCH_FOLDERS to the folders that it may read.")
    real = os.path.realpath(path)
    allowed = [os.path.realpath(root) for root in roots]
    if not any(real == root or real.startswith(root.rstrip("/") + "/") for root in allowed):
        raise SystemicError(f"{path} is not in the folders that this installation may read (FETCH_FOLDERS).")
    if not os.path.isdir(real):
        raise SystemicError(f"There is no folder {path}. Check the path.")
    return real


def walk(root: str, selector: Selector, *, follow_gitignore: bool) -> Walked:
    """Find the selected files. Names that start with a dot are left out. Raises PermanentError above the limits."""
    walked = Walked({}, {}, Counter())
    try:
        folder = os.open(root, _FOLDER_FLAGS)
    except OSError as error:
        raise SystemicError(f"{root} can't be read ({error.strerror}).") from error
    try:
        _Walk(walked, selector, follow_gitignore=follow_gitignore).visit(folder, "", [], 0)
    finally:
        os.close(folder)
    return walked


class _Walk:
    def __init__(self, walked: Walked, selector: Selector, *, follow_gitignore: bool) -> None:
        self._walked = walked
        self._selector = selector
        self._follow_gitignore = follow_gitignore
        self._visited = 0

    def visit(self, folder: int, path: str, ignored: list[Ignored], depth: int) -> None:
        """Visit what is in an open folder, in the order of names."""
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        self._visited += len(entries)
        if self._visited > MAX_VISITED or len(self._walked.files) > MAX_SELECTED:
            raise PermanentError(
                f"The folder has more than {MAX_VISITED:,} files, or {MAX_SELECTED:,} to collect. Choose a smaller one."
            )
        if self._follow_gitignore and any(entry.name == ".gitignore" for entry in entries):
            with suppress(OSError), open_in(folder, ".gitignore") as file:
                ignored = [*ignored, read_gitignore(path, os.read(file, MAX_BYTES))]
        for entry in entries:
            if not entry.name.startswith("."):
                self._visit_entry(folder, entry, f"{path}/{entry.name}" if path else entry.name, ignored, depth)

    def _visit_entry(
        self, folder: int, entry: "os.DirEntry[str]", key: str, ignored: list[Ignored], depth: int
    ) -> None:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_ignored(ignored, key, is_folder=is_folder):
            return
        if is_folder:
            if depth >= MAX_DEPTH or len(os.fsencode(key)) > MAX_KEY_BYTES:
                self._walked.skipped[_readable(key)[:500]] = f"the folder is more than {MAX_DEPTH} folders deep"
                return
            try:
                inner = os.open(entry.name, _FOLDER_FLAGS, dir_fd=folder)
            except OSError as error:
                self._walked.skipped[_readable(key)] = f"the folder can't be read ({error.strerror})"
                return
            try:
                self.visit(inner, key, ignored, depth + 1)
            finally:
                os.close(inner)
        elif not self._selector.includes(key):
            self._walked.unmatched[_extension(key)] += entry.is_file(follow_symlinks=False)
        elif not self._selector.excludes(key):
            self._add(entry, key)

    def _add(self, entry: "os.DirEntry[str]", key: str) -> None:
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # it was deleted meanwhile
            return
        if stat.S_ISLNK(found.st_mode):
            self._walked.skipped[_readable(key)] = "a symbolic link is not followed"
        elif not stat.S_ISREG(found.st_mode):
            self._walked.skipped[_readable(key)] = "it is not a file"
        elif _readable(key) != key or len(key.encode()) > MAX_KEY_BYTES:
            self._walked.skipped[_readable(key)[:500]] = "the name is not UTF-8, has control characters, or is too long"
        else:
            self._walked.files[key] = FileStat(found.st_size, found.st_mtime_ns)


@contextmanager
def open_in(folder: int, path: str) -> Iterator[int]:
    """Open a file below an open folder for reading, through no symbolic link. Raises OSError."""
    opened: list[int] = []
    try:
        *folders, name = path.split("/")
        for part in folders:
            folder = os.open(part, _FOLDER_FLAGS, dir_fd=folder)
            opened.append(folder)
        file = os.open(name, _FLAGS | os.O_NONBLOCK, dir_fd=folder)  # a named pipe would wait for a writer
        opened.append(file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, "not a file")
        yield file
    finally:
        for each in opened:
            os.close(each)


def _readable(key: str) -> str:
    """Return a key that can be stored: bytes that aren't UTF-8, and control characters, are escaped."""
    text = os.fsencode(key).decode("utf-8", errors="backslashreplace")
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def _extension(key: str) -> str:
    name = key[key.rfind("/") + 1 :]
    dot = name.rfind(".")
    return _readable(name[dot:].lower())[:50] if dot > 0 else ""
