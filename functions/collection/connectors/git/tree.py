"""Walk the trees of one commit: find the selected files, and the reasons for files that cannot be collected. Pure."""

import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from dulwich.errors import ObjectFormatException
from dulwich.objects import S_ISGITLINK, parse_tree

from headwater.connectors import MAX_KEY_BYTES
from headwater.errors import PermanentError, UpstreamError
from headwater.filters.globs import Selector
from headwater.redaction import quote

MAX_VISITED = 1_000_000
MAX_PATHS_BYTES = 128_000_000  # of all visited paths: below a long name, a small folder has many long paths

ReadTree = Callable[[str], bytes | None]


class SelectedFiles(NamedTuple):
    """`files` maps paths from the repository's root to the SHAs of their blobs, `skipped` maps paths to reasons.

    `unmatched` counts the files that no pattern includes, by file extension in lower case, "" without one.
    `submodules` maps the folders of submodules to the SHAs of their commits, `modules` is that of `.gitmodules`.
    """

    files: dict[str, str]
    skipped: dict[str, str]
    unmatched: Mapping[str, int]
    submodules: Mapping[str, str] = {}
    modules: str | None = None


class _TreeEntry(NamedTuple):
    path: bytes
    mode: int
    sha: str


def walk(read_tree: ReadTree, root: str, path: str | None, selector: Selector) -> SelectedFiles:
    """Find the selected files below `path` (None: all) in the tree `root`; SHAs are hex.

    Selected symbolic links, selected names that aren't UTF-8, folders with long paths, and all submodules are skipped
    with a reason. Raises PermanentError if `path` does not exist.
    """
    files: dict[str, str] = {}
    skipped: dict[str, str] = {}
    unmatched: Counter[str] = Counter()
    submodules: dict[str, str] = {}
    for entry in _walk_entries(read_tree, _locate(read_tree, root, path)):
        key = entry.path.decode("utf-8", "backslashreplace")
        # The patterns may select files in a submodule or a folder.
        if not S_ISGITLINK(entry.mode) and not stat.S_ISDIR(entry.mode):
            if not selector.includes(key):
                unmatched[file_extension(key)] += stat.S_ISREG(entry.mode)
                continue
            if selector.excludes(key):
                continue
        if S_ISGITLINK(entry.mode):
            submodules[key] = entry.sha
        reason = _skip_reason(entry)
        if reason:
            skipped[_shorten(key)] = reason
        else:
            files[key] = entry.sha
    top = _children(read_tree, _TreeEntry(b"", stat.S_IFDIR, root)) if submodules else []
    modules = next((entry.sha for entry in top if entry.path == b".gitmodules"), None)
    return SelectedFiles(files, skipped, +unmatched, submodules, modules)


def file_extension(path: str) -> str:
    """Return the file extension of a path in lower case, such as `.md`; "" without one."""
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def _shorten(key: str) -> str:
    """Cut a key that is too long to be stored."""
    content = key.encode()
    return key if len(content) <= MAX_KEY_BYTES else content[: MAX_KEY_BYTES - 3].decode(errors="ignore") + "…"


def _skip_reason(entry: _TreeEntry) -> str | None:
    if stat.S_ISDIR(entry.mode):
        return f"the folder's path is longer than {MAX_KEY_BYTES:,} bytes, so its files are not collected"
    if S_ISGITLINK(entry.mode):
        return "a submodule is another repository; turn submodules on, or add it as a source of its own"
    if stat.S_ISLNK(entry.mode):
        return "a symbolic link is not followed; its target is collected at its own path"
    if len(entry.path) > MAX_KEY_BYTES:
        return f"the path is longer than {MAX_KEY_BYTES:,} bytes"
    try:
        entry.path.decode()
    except UnicodeDecodeError:
        return "the name is not UTF-8; rename the file"
    return None


def _locate(read_tree: ReadTree, root: str, path: str | None) -> _TreeEntry:
    current = _TreeEntry(b"", stat.S_IFDIR, root)
    for name in path.encode().split(b"/") if path else []:
        if not stat.S_ISDIR(current.mode):
            break
        child = next((entry for entry in _children(read_tree, current) if entry.path.rpartition(b"/")[2] == name), None)
        if child is None:
            raise PermanentError(
                f"The repository has no {path!r}. Change the source's folder; upper and lower case matter."
            )
        current = child
    if path and current.path != path.encode():
        file = quote(current.path.decode(errors="replace"))
        raise PermanentError(f"The repository has no {path!r}: '{file}' is a file. Change the source's folder.")
    return current


def _walk_entries(read_tree: ReadTree, start: _TreeEntry) -> Iterator[_TreeEntry]:
    """Yield all items except folders, in Git's order."""
    pending = [start]
    visited = path_bytes = 0
    while pending:
        entry = pending.pop()
        if not stat.S_ISDIR(entry.mode) or len(entry.path) > MAX_KEY_BYTES:
            yield entry
            continue
        children = _children(read_tree, entry)
        visited += len(children)
        if visited > MAX_VISITED:  # trees can share subtrees: a few KB can describe billions of files
            raise PermanentError(f"The repository has more than {MAX_VISITED:,} files. Limit the source to a folder.")
        path_bytes += sum(len(child.path) for child in children)
        if path_bytes > MAX_PATHS_BYTES:
            raise _paths_too_long()
        pending.extend(reversed(children))


def _children(read_tree: ReadTree, folder: _TreeEntry) -> list[_TreeEntry]:
    content = read_tree(folder.sha)
    name = quote(folder.path.decode(errors="replace"))
    if content is None:
        raise UpstreamError(f"The Git server did not send the folder '{name}'. Try again.")
    prefix = folder.path + b"/" if folder.path else b""
    if len(content) + len(prefix) * content.count(b"\0") > MAX_PATHS_BYTES:  # checked before the paths are built
        raise _paths_too_long()
    try:
        entries = islice(parse_tree(content, len(folder.sha) // 2), MAX_VISITED + 1)
        return [_TreeEntry(prefix + name, mode, sha.decode()) for name, mode, sha in entries]
    except ObjectFormatException as error:
        raise PermanentError(f"The folder '{name}' is damaged in the repository.") from error


def _paths_too_long() -> PermanentError:
    return PermanentError(
        f"The repository's paths have more than {MAX_PATHS_BYTES:,} bytes. Limit the source to a folder."
    )
