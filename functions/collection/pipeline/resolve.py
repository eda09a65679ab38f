"""Resolve links between documents of a source. Pure.

Links are resolved as the tools that publish Markdown do: with or without the file extension, to the index page of a
folder, and wikilinks by name from anywhere, as in Obsidian.
"""

import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import unquote

PAGE_SUFFIXES = (".md", ".mdx")
_INDEX_PAGES = ("index", "README", "readme", "_index")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")


class LinkResolver:
    """An index of a source's keys; resolving a link takes a few look-ups.

    Exact links use the keys. The other indexes are built for the first link that needs them.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        folded: dict[str, list[str]] = defaultdict(list)
        for key in sorted(self._keys):
            folded[_fold(key)].append(key)
        return folded

    @cached_property
    def _named(self) -> dict[str, list[str]]:
        named: dict[str, list[str]] = defaultdict(list)
        for key in sorted(self._keys):
            name = _name(key)
            named[name].append(key)
            if name.endswith(PAGE_SUFFIXES):
                named[name.rpartition(".")[0]].append(key)
        return named

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
        """Find a page by its name or the end of its path. Of several, return the one in the link's folder, or None."""
        if path.startswith(("./", "../")):
            return self._by_path(from_key, path)
        name = _fold(path.strip("/"))
        ends = tuple(f"/{name}{suffix}" for suffix in ("", *PAGE_SUFFIXES))
        candidates = [key for key in self._named.get(name.rpartition("/")[2], ()) if f"/{_fold(key)}".endswith(ends)]
        if len(candidates) > 1:
            exact = [key for key in candidates if _stem(key).endswith(_stem(path.strip("/")))]
            same_folder = [key for key in exact or candidates if posixpath.dirname(key) == posixpath.dirname(from_key)]
            candidates = exact if len(exact) == 1 else same_folder
        return candidates[0] if len(candidates) == 1 else None


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

    A site's root is often a folder of the repository (`website/`), so every folder above the page is tried, outermost
    first.
    """
    parts = from_key.split("/")[:-1]
    starts = ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]
    for start in starts if path.startswith("/") else starts[-1:]:
        joined = posixpath.normpath(posixpath.join(start, path.lstrip("/")))
        if joined.partition("/")[0] != "..":
            yield "" if joined == "." else joined + "/" * path.endswith("/")


def _name(key: str) -> str:
    return _fold(key.rpartition("/")[2])


def _stem(key: str) -> str:
    root, suffix = posixpath.splitext(key)
    return root if suffix.lower() in PAGE_SUFFIXES else key


def _fold(key: str) -> str:
    return key.lower() if key.isascii() else unicodedata.normalize("NFC", key).casefold()
