"""The trees of one commit: tree objects flow in, the wanted files and the reasons for what is left out flow out. Pure.

Called by `git` with trees from a pack or from a repository on disk.
"""

import stat
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from dulwich.errors import ObjectFormatException
from dulwich.objects import S_ISGITLINK, parse_tree

from headwater.errors import PermanentError, UpstreamError

MAX_KEY_BYTES = 2_000  # a key must fit into an index row of Postgres (2,704 bytes) with what else is in it
MAX_VISITED = 1_000_000
MAX_PATHS_BYTES = 128_000_000  # of all that is visited: below a long name a small folder makes many long paths

ReadTree = Callable[[str], bytes | None]


class Walked(NamedTuple):
    """`files` maps a path from the repository's root to its blob's SHA; `skipped` one to the reason."""

    files: dict[str, str]
    skipped: dict[str, str]


class _Item(NamedTuple):
    path: bytes
    mode: int
    sha: str


def walk(read_tree: ReadTree, root: str, path: str | None, wanted: Callable[[str], bool]) -> Walked:
    """Find the wanted files below `path` (None: all) of the tree `root`, both as hex SHAs.

    Symlinks and names that aren't UTF-8 are left out, with the reason for those that the patterns take; submodules too.
    Raises PermanentError where `path` isn't there.
    """
    files: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for item in _below(read_tree, _locate(read_tree, root, path)):
        key = item.path.decode("utf-8", "backslashreplace")
        # A submodule stands for a folder of files that the patterns might have taken.
        if not wanted(key) and not S_ISGITLINK(item.mode):
            continue
        reason = _why_not(item)
        if reason:
            skipped[key] = reason
        else:
            files[key] = item.sha
    return Walked(files, skipped)


def _why_not(item: _Item) -> str | None:
    if S_ISGITLINK(item.mode):
        return "a submodule: another repository; add it as a source of its own"
    if stat.S_ISLNK(item.mode):
        return "a symbolic link; what it points to is collected where it lies"
    if len(item.path) > MAX_KEY_BYTES:
        return f"the path is longer than {MAX_KEY_BYTES:,} bytes"
    try:
        item.path.decode()
    except UnicodeDecodeError:
        return "the name isn't UTF-8; rename the file"
    return None


def _locate(read_tree: ReadTree, root: str, path: str | None) -> _Item:
    here = _Item(b"", stat.S_IFDIR, root)
    for name in path.encode().split(b"/") if path else []:
        if not stat.S_ISDIR(here.mode):
            break
        found = next((item for item in _children(read_tree, here) if item.path.rpartition(b"/")[2] == name), None)
        if found is None:
            raise PermanentError(
                f"The repository has no {path!r}; mend the source's `path`, upper and lower case count."
            )
        here = found
    if path and here.path != path.encode():
        raise PermanentError(f"{here.path.decode(errors='replace')!r} is a file, so there is no {path!r}; mend `path`.")
    return here


def _below(read_tree: ReadTree, start: _Item) -> Iterator[_Item]:
    """Yield everything but folders, in Git's order."""
    todo = [start]
    visited = path_bytes = 0
    while todo:
        item = todo.pop()
        if not stat.S_ISDIR(item.mode) or len(item.path) > MAX_KEY_BYTES:
            yield item
            continue
        children = _children(read_tree, item)
        visited += len(children)
        if visited > MAX_VISITED:  # trees can share subtrees: a few KB can describe billions of files
            raise PermanentError(f"The repository has more than {MAX_VISITED:,} files; narrow the source with `path`.")
        path_bytes += sum(len(child.path) for child in children)
        if path_bytes > MAX_PATHS_BYTES:
            raise _paths_too_long()
        todo.extend(reversed(children))


def _children(read_tree: ReadTree, folder: _Item) -> list[_Item]:
    content = read_tree(folder.sha)
    if content is None:
        raise UpstreamError(f"The Git server left out the folder {folder.path.decode(errors='replace')!r}; try again.")
    prefix = folder.path + b"/" if folder.path else b""
    if len(content) + len(prefix) * content.count(b"\0") > MAX_PATHS_BYTES:  # before they are made
        raise _paths_too_long()
    try:
        entries = islice(parse_tree(content, len(folder.sha) // 2), MAX_VISITED + 1)
        return [_Item(prefix + name, mode, sha.decode()) for name, mode, sha in entries]
    except ObjectFormatException as error:
        raise PermanentError(
            f"The folder {folder.path.decode(errors='replace')!r} is damaged in the repository."
        ) from error


def _paths_too_long() -> PermanentError:
    return PermanentError(
        f"The repository's paths take more than {MAX_PATHS_BYTES:,} bytes; narrow the source with `path`."
    )
