"""Where links lead: a source's keys and links as written flow in; the keys they point at flow out.

Called by the `link` step, once all documents of a run are stored. Pure. Pages are found as the tools that show them
find them: with or without extension, by the folder of an index page, wikilinks by name from anywhere (Obsidian).
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
    """An index over all keys of a source; it answers in the time of a few look-ups.

    What a link that is written exactly needs is there at once; the rest is built for the first that isn't.
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
        """Return the key that a link on `from_key` points at; None when it leads elsewhere or nowhere.

        `kind` is "link" or "wikilink"; a target that is only a fragment is the page itself.
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
            found = self._page(base)
            if found is not None:
                return found
        return None

    def _page(self, path: str) -> str | None:
        """Find a page at a path; exact before folded."""
        pages = _pages(path)
        for page in pages:
            if page in self._keys:
                return page
        for page in pages:
            alike = self._folded.get(_fold(page), ())
            if len(alike) == 1:
                return alike[0]
        return None

    def _by_name(self, from_key: str, path: str) -> str | None:
        """Find a page by its name, or by the last part of its path; of several, the one beside the link or none."""
        if path.startswith(("./", "../")):
            return self._by_path(from_key, path)
        wanted = _fold(path.strip("/"))
        ends = tuple(f"/{wanted}{suffix}" for suffix in ("", *PAGE_SUFFIXES))
        candidates = [key for key in self._named.get(wanted.rpartition("/")[2], ()) if f"/{_fold(key)}".endswith(ends)]
        if len(candidates) > 1:
            exact = [key for key in candidates if _stem(key).endswith(_stem(path.strip("/")))]
            beside = [key for key in exact or candidates if posixpath.dirname(key) == posixpath.dirname(from_key)]
            candidates = exact if len(exact) == 1 else beside
        return candidates[0] if len(candidates) == 1 else None


def possible_names(links: Iterable[tuple[str, str, str]]) -> frozenset[str]:
    """Return the folded last parts of all keys that links (key, kind, target) might point at.

    A resolver that knows only the keys with these names answers these links as one that knows all keys.
    """
    names: set[str] = set()
    for from_key, kind, target in links:
        names.add(_name(from_key))
        path = target.partition("#")[0]
        if kind == "wikilink":
            path = path.strip()
            wanted = _name(path.strip("/"))
            names |= {wanted, *(wanted + suffix for suffix in PAGE_SUFFIXES)}
        else:
            path = path.partition("?")[0]
        for base in _all_bases(from_key, path):
            names |= set(map(_name, _pages(base)))
    return frozenset(name for name in names if "\0" not in name)  # which no key holds


def _pages(path: str) -> list[str]:
    """List what a path may mean: as it is written, by extension, or as the index of a folder."""
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
    for written in (decoded, path) if decoded != path else (path,):
        yield from _bases(from_key, written)


def _bases(from_key: str, path: str) -> Iterator[str]:
    """Yield where a path may lead: a relative one from the page's folder, an absolute one from a site's root.

    That is often a folder of the repository (`website/`): all above the page are tried, outermost first.
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
