"""Resolve links between documents of a source. Pure.

Links are resolved as the tools that publish Markdown do: with or without the file extension, to the index page of a
folder, and wikilinks by name from anywhere, as in Obsidian.
"""

import posixpath
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from functools import cached_property
from typing import TypeVar
from urllib.parse import unquote

PAGE_SUFFIXES = (".md", ".mdx")
MAX_SITE_DEPTH = 16
"""Folders above a page that may be the site's root."""

_INDEX_PAGES = ("index", "README", "readme", "_index")

Group = TypeVar("Group", bound=Hashable)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")


class LinkResolver:
    """An index of a source's keys; resolving a link takes a few look-ups, however similar the keys are.

    Exact links use the keys. The other indexes are built for the first link that needs them.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        return _grouped(self._keys, _fold)

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(map(posixpath.dirname, self._folded))

    @cached_property
    def _as_spelled(self) -> "_Names":
        return _Names(self._keys, _lower_suffix)

    @cached_property
    def _ignoring_case(self) -> "_Names":
        return _Names(self._keys, _fold)

    def resolve(self, from_key: str, kind: str, target: str) -> str | None:
        """Return the key that a link in `from_key` points to; None for other places and missing documents.

        `kind` is "link" or "wikilink". A target that is only a fragment is the document itself.
        """
        if _SCHEME.match(target):
            return None
        path = target.partition("#")[0]
        if not path.strip():
            return from_key if "#" in target and from_key in self._keys else None
        if kind == "wikilink":
            return self._by_name(from_key, path.strip())
        return self._by_path(from_key, path.partition("?")[0])

    def _by_path(self, from_key: str, path: str) -> str | None:
        for base in _all_bases(from_key, path):
            page = self._page(base)
            if page is not None:
                return page
        return None

    def _page(self, path: str) -> str | None:
        """Find a page by its path: exactly, or else ignoring case."""
        if path in self._keys:
            return path
        folder = _fold(path).rstrip("/")
        if folder not in self._folders and posixpath.dirname(folder) not in self._folders:
            return None
        pages = _pages(path)
        for page in pages:
            if page in self._keys:
                return page
        for page in pages:
            keys = self._folded.get(_fold(page), ())
            if len(keys) == 1:
                return keys[0]
        return None

    def _by_name(self, from_key: str, path: str) -> str | None:
        """Find a page by its name or the end of its path: the only one, or the only one with this spelling.

        Otherwise the one in the link's folder, if it is the only one there.
        """
        if path.startswith(("./", "../")):
            return self._by_path(from_key, path)
        name = path.strip("/")
        names = [name + suffix for suffix in ("", *PAGE_SUFFIXES)]
        found = self._ignoring_case.find(names)
        if len(found) > 1:
            spelled = names[:1] if _lower_suffix(name).endswith(PAGE_SUFFIXES) else names
            found = self._as_spelled.find(spelled)
            if len(found) > 1:
                found = self._as_spelled.find_next_to(from_key, spelled)
            elif not found:
                found = self._ignoring_case.find_next_to(from_key, names)
        return found[0] if len(found) == 1 else None


class _Names:
    """Finds keys by their names, or by the ends of their paths. Returns two at most: more are as ambiguous."""

    def __init__(self, keys: Collection[str], spell: Callable[[str], str]) -> None:
        self._spell = spell
        pairs = sorted((self._reversed(key), key) for key in keys)
        self._paths = [path for path, _ in pairs]
        self._keys = [key for _, key in pairs]
        self._in_folders = _grouped(keys, self._place)

    def find(self, names: Iterable[str]) -> list[str]:
        """Find the keys that end with one of several names."""
        found: list[str] = []
        for name in names:
            path = self._reversed(name)
            at = bisect_left(self._paths, path)
            found += [self._keys[n] for n in range(at, min(at + 2, len(self._keys))) if self._paths[n].startswith(path)]
        return found[:2]

    def find_next_to(self, from_key: str, names: Iterable[str]) -> list[str]:
        """Find those of the keys that are in the same folder as another key."""
        found: list[str] = []
        for name in names:
            key = posixpath.join(posixpath.dirname(from_key), posixpath.basename(name))
            if f"/{self._spell(key)}".endswith(f"/{self._spell(name)}"):
                found += self._in_folders.get(self._place(key), [])[:2]
        return found[:2]

    def _place(self, key: str) -> tuple[str, str]:
        folder, name = posixpath.split(key)
        return folder, self._spell(name)

    def _reversed(self, path: str) -> str:
        """Write a path from its last segment to its first one, so that paths with the same end are neighbours."""
        return "".join(f"{segment}/" for segment in reversed(self._spell(path).split("/")))


def _grouped(keys: Iterable[str], group: Callable[[str], Group]) -> dict[Group, list[str]]:
    groups: dict[Group, list[str]] = defaultdict(list)
    for key in sorted(keys):
        groups[group(key)].append(key)
    return groups


def possible_names(links: Iterable[tuple[str, str, str]]) -> frozenset[str]:
    """Return the folded names of all keys that links (key, kind, target) may point to.

    A resolver with only the keys of these names resolves these links like one with all keys.
    """
    names: set[str] = set()
    for from_key, kind, target in links:
        names.add(_name(from_key))
        path = target.partition("#")[0]
        if kind == "wikilink":
            path = path.strip()
            page = _name(path.strip("/"))
            names |= {page, *(page + suffix for suffix in PAGE_SUFFIXES)}
        else:
            path = path.partition("?")[0]
        for base in _all_bases(from_key, path):
            names |= set(map(_name, _pages(base)))
    return frozenset(name for name in names if "\0" not in name)  # no key has a NUL


def _pages(path: str) -> list[str]:
    """List the keys that a path may stand for: itself, with an extension, or the index of a folder."""
    pages = [path] if path else []
    if path and not path.endswith("/"):
        pages += [path + suffix for suffix in PAGE_SUFFIXES]
    folder = f"{path.rstrip('/')}/" if path else ""
    pages += [f"{folder}{name}{suffix}" for name in _INDEX_PAGES for suffix in PAGE_SUFFIXES]
    if path.endswith("/"):
        pages += [path.rstrip("/") + suffix for suffix in PAGE_SUFFIXES]
    return pages


def _all_bases(from_key: str, path: str) -> Iterator[str]:
    decoded = unquote(path)
    for variant in (decoded, path) if decoded != path else (path,):
        yield from _bases(from_key, variant)


def _bases(from_key: str, path: str) -> Iterator[str]:
    """Yield the paths that a link may mean: relative to the page's folder, or absolute from a site's root.

    A site's root is often a folder of the repository (`website/`), so the folders above the page are tried, outermost
    first.
    """
    folder = posixpath.dirname(from_key)
    parts = folder.split("/")[:MAX_SITE_DEPTH]
    starts = ["", *("/".join(parts[: depth + 1]) for depth in range(len(parts)))] if path.startswith("/") else [folder]
    for start in starts:
        joined = posixpath.normpath(posixpath.join(start, path.lstrip("/")))
        if joined.partition("/")[0] != "..":
            yield "" if joined == "." else joined + "/" * path.endswith("/")


def _name(key: str) -> str:
    return _fold(key.rpartition("/")[2])


def _lower_suffix(key: str) -> str:
    root, suffix = posixpath.splitext(key)
    return root + suffix.lower() if suffix.lower() in PAGE_SUFFIXES else key


def _fold(key: str) -> str:
    return key.lower() if key.isascii() else unicodedata.normalize("NFC", key).casefold()
