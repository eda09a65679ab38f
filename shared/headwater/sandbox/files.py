"""Write the files that a sandbox starts with, and read those that it has at the end. These may be hostile."""

import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_PATH_BYTES = 1_000
MAX_DEPTH = 32
_MAX_SKIPPED = 100
_CHUNK = 1 << 20


class File(NamedTuple):
    """A file that the command left."""

    path: str
    content: bytes


class Skipped(NamedTuple):
    """An entry that is not returned, and why."""

    path: str
    why: str


def write_file(folder: str, path: str, content: bytes) -> None:
    """Write a file below a folder, before the command runs. `path` is checked by the caller."""
    target = os.path.join(folder, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "xb") as file:
        file.write(content)


def read_files(folder: str, *, max_files: int, max_bytes: int) -> Iterator[File | Skipped]:
    """Yield the regular files below a folder in the order of their paths, then skipped entries.

    Never follows a link, opens no device or pipe, and reads at most `max_bytes` in total.
    """
    skipped: list[Skipped] = []
    left_files, left_bytes = max_files, max_bytes
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for path, parent, name in _walk(root, "", 0, skipped):
            content = _read(parent, name, left_bytes) if left_files else "there are too many files"
            if isinstance(content, str):
                _skip(skipped, path, content)
                continue
            left_files -= 1
            left_bytes -= len(content)
            yield File(path, content)
    finally:
        os.close(root)
    yield from skipped


def _walk(folder: int, prefix: str, depth: int, skipped: list[Skipped]) -> Iterator[tuple[str, int, str]]:
    """Yield path, open folder and name of all regular files."""
    for name in sorted(os.listdir(folder)):
        path = f"{prefix}{name}"
        if problem := _name_problem(path):
            _skip(skipped, ascii(path)[1:-1][:200], problem)
            continue
        kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISREG(kind):
            yield path, folder, name
        elif not stat.S_ISDIR(kind):
            _skip(skipped, path, "it is a link" if stat.S_ISLNK(kind) else "it is no regular file")
        elif depth >= MAX_DEPTH:
            _skip(skipped, path, f"it is deeper than {MAX_DEPTH} folders")
        else:
            try:
                child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except OSError as error:
                _skip(skipped, path, error.strerror or "it can't be opened")
                continue
            try:
                yield from _walk(child, f"{path}/", depth + 1, skipped)
            finally:
                os.close(child)


def _name_problem(path: str) -> str:
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        return f"its path is longer than {MAX_PATH_BYTES} bytes"
    if not path.isprintable() or "\\" in path:  # surrogates, which stand for bytes that are no UTF-8, too
        return "its name has a character that names may not have"
    return ""


def _read(folder: int, name: str, max_bytes: int) -> bytes | str:
    """Return a file's content, or why there is none."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        return error.strerror or "it can't be opened"
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return "it is no regular file"
        if found.st_size > max_bytes:
            return "the files are too large together"
        parts = []
        while part := os.read(file, min(_CHUNK, max_bytes + 1)):
            parts.append(part)
            max_bytes -= len(part)
            if max_bytes < 0:
                return "the files are too large together"
        return b"".join(parts)
    finally:
        os.close(file)


def _skip(skipped: list[Skipped], path: str, why: str) -> None:
    if len(skipped) < _MAX_SKIPPED:
        skipped.append(Skipped(path, why))


def check_paths(paths: Sequence[str]) -> None:
    """Raise ValueError, which says why, if a path is not one of a file below a folder, or two exclude each other."""
    known: set[str] = set()
    for path in sorted(paths):
        parts = path.split("/")
        if problem := _name_problem(path):
            raise ValueError(f"{path[:200]!r}: {problem}")
        if not all(parts) or {".", ".."} & set(parts):
            raise ValueError(f"{path[:200]!r} is not the path of a file below the folder")
        if len(parts) > MAX_DEPTH:
            raise ValueError(f"{path[:200]!r} is deeper than {MAX_DEPTH} folders")
        if any(len(os.fsencode(part)) > 255 for part in parts):
            raise ValueError(f"{path[:200]!r}: a name in it is longer than 255 bytes")
        if any("/".join(parts[:n]) in known for n in range(1, len(parts) + 1)):
            raise ValueError(f"{path[:200]!r} is below another file, or twice")
        known.add(path)
