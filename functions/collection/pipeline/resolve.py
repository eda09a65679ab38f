"""Resolve links between documents of a source. Pure.

Links are resolved as the tools that publish Markdown do (docs/links.md): by path, with or without a suffix, to the page
of a folder, by the URL that a page is published at, and wikilinks by name from anywhere, as in Obsidian.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any, NamedTuple
from urllib.parse import unquote

from functions.collection.pipeline.addresses import (
    INDEX_NAMES,
    MAX_FOLDERS,
    PAGE_SUFFIXES,
    SITE_SUFFIXES,
    Addresses,
    addresses,
    fold,
    hyphenate,
    is_index,
    is_scheme,
    last_names,
    last_part,
    published_folder,
    strip_suffix,
)

_SITE_VARIABLE = re.compile(r"\{\{-?\s*(?:site|page)\.\w+\s*-?\}\}")
# Possessive, so that a tag without an end is read once.
_FILTERED = re.compile(r"""\{\{-?\s*+["']([^"'{}]*+)["']\s*+\|[^{}]*+\}\}([^{}]*+)""")
_REF = re.compile(r"""\{\{[<%]-?\s*+(?:rel)?ref\s++(?:path=)?["'`]?+([^"'`{}<>%]*+)[^{}]*+\}\}([^{}]*+)""")
_TAG = re.compile(r"""\{%-?\s*+(link|post_url)\s++(["'][^"'{}%]*+["']|[^"'{}%]*+)\s*+-?%\}([^{}]*+)""")
_DOTS = frozenset({"", ".", ".."})


class _Target(NamedTuple):
    """A target without fragment and template: `rule` says how to find its `path`."""

    rule: str
    path: str


class LinkResolver:
    """An index of a source's documents; resolving a link takes a few look-ups, however similar the keys are.

    Takes the front matter of each document by its key; only fields that add addresses matter. Indexes are built for the
    first link that needs them.
    """

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._documents = documents
        self._suffix_groups = cache(self._group_by_suffix)

    @cached_property
    def _addresses(self) -> dict[str, Addresses]:
        return {key: addresses(key, front_matter) for key, front_matter in self._documents.items()}

    @cached_property
    def _names(self) -> frozenset[str]:
        names = frozenset[str]().union(*(last_names(key, own) for key, own in self._addresses.items()))
        return names.union(map(hyphenate, names))

    @cached_property
    def _pages(self) -> tuple["_Paths", "_Paths"]:
        return _Paths(self._documents, str), _Paths(self._documents, fold)

    @cached_property
    def _published(self) -> "_Nearest":
        return _Nearest((path, key) for key, own in self._addresses.items() for path in own.paths)

    @cached_property
    def _urls(self) -> "_Nearest":
        return _Nearest((url, key) for key, own in self._addresses.items() for url in own.urls)

    @cached_property
    def _aliases(self) -> "_Nearest":
        return _Nearest((name, key) for key, own in self._addresses.items() for name in own.names)

    def resolve(self, from_key: str, kind: str, target: str) -> str | None:
        """Return the key that a link in `from_key` points to; None for other places and missing documents.

        `kind` is "link" or "wikilink". A target that is only a fragment is the document itself.
        """
        if is_scheme(target):
            return None
        rule, path = _read_target(kind, target)
        if not path:
            return from_key if "#" in target and from_key in self._documents else None
        if rule == "path" and (page := self._by_key(from_key, path)):
            return page
        if not _may_be_index(path) and self._names.isdisjoint(_last_names(path)):
            return None
        if rule == "name":
            return self._by_name(from_key, path)
        found = self._by_path(from_key, path)
        if found is None and not path.startswith(("/", ".")) and (rule == "ref" or "/" in path):
            found = self._by_path(from_key, f"/{path}")  # Hugo's `ref`, and Obsidian's "Absolute path in vault"
        return self._by_name(from_key, path) if found is None and rule == "ref" else found

    def _by_key(self, from_key: str, path: str) -> str | None:
        """Find the document whose key a relative path names exactly, as most links do. Cheaper than by names."""
        key = next(_bases(from_key, unquote(path)), None) if not path.startswith(("/", "%")) else None
        return key if key in self._documents else None

    def _by_path(self, from_key: str, path: str) -> str | None:
        """Find a page by its file's path; else by the path that it is published at; else by one of its URLs."""
        variants = dict.fromkeys((unquote(path), path))
        for variant in variants:
            for base in _bases(from_key, variant):
                page = self._page(base)
                if page is not None:
                    return page
        if strip_suffix(path) != path:
            return None
        for variant in variants:
            page = self._by_url(from_key, variant)
            if page is not None:
                return page
        return None

    def _page(self, path: str) -> str | None:
        """Find a page by its path: exactly, or else ignoring case."""
        if path in self._documents:
            return path
        for paths in self._pages:
            page = paths.find(path)
            if page is not None:
                return page
        return None

    def _by_url(self, from_key: str, path: str) -> str | None:
        bases = dict.fromkeys(fold(_page_path(base)) for base in self._url_bases(from_key, path))
        for base in bases:
            page = self._published.find(base, from_key)
            if page is not None:
                return page
        for base in bases:
            parts = base.split("/")
            for depth in range(min(len(parts), MAX_FOLDERS)):
                page = self._urls.find("/".join(parts[depth:]), from_key)
                if page is not None:
                    return page
        return None

    def _url_bases(self, from_key: str, path: str) -> Iterator[str]:
        """Yield the paths that a URL may mean: relative to the page's folder, or to the page itself, as published."""
        yield from _bases(from_key, path)
        folder = published_folder(posixpath.dirname(from_key))
        yield from _bases(f"{folder}/page", path)
        own = self._addresses.get(from_key)
        if own is None or path.startswith("/") or not path.strip("./"):
            return
        for address in (*own.paths, *own.urls):
            yield from _bases(address, path)
            yield from _bases(f"{address}/page", path)

    def _by_name(self, from_key: str, path: str) -> str | None:
        """Find a page by its name or the end of its path, the nearest of several; else by another name."""
        if path.startswith(("./", "../")):
            return self._by_path(from_key, path)
        name = path.strip("/")
        parts = name.count("/") + 1
        if parts > 1 and (page := self._page(name)):  # also Obsidian's "Absolute path in vault"
            return page
        for spell in (str, fold):
            found = self._suffix_groups(parts, spell).find(spell(name), from_key)
            if found is not None:
                return found
        found = self._aliases.find(fold(name), from_key)
        if found is not None:
            return found
        return self._suffix_groups(parts, _fold_wiki).find(_fold_wiki(name), from_key)

    def _group_by_suffix(self, parts: int, spell: Callable[[str], str]) -> "_Nearest":
        """Group keys by their last parts, with and without the page's suffix."""
        return _Nearest(pair for key in self._documents for pair in _suffixes(key, parts, spell))


class _Paths:
    """Finds pages by their path without suffix, as it is spelled or folded."""

    def __init__(self, keys: Iterable[str], spell: Callable[[str], str]) -> None:
        self._spell = spell
        self._files: dict[str, list[str]] = defaultdict(list)
        self._indexes: dict[str, list[str]] = defaultdict(list)
        for key in sorted(keys, key=_preference):
            stem = strip_suffix(key)
            if spell is not str:
                self._files[spell(key)].append(key)
            if stem != key:
                self._files[spell(stem)].append(key)
                if is_index(stem):
                    self._indexes[spell(posixpath.dirname(stem))].append(key)

    def find(self, path: str) -> str | None:
        """Find the page of a path: a file, or the page of a folder, which comes first after a slash at the end."""
        stem = self._spell(path.rstrip("/"))
        page = strip_suffix(stem, SITE_SUFFIXES)
        folder = posixpath.dirname(page) if page != stem and last_part(page).lower() == "index" else page
        file = self._file(stem) or self._file(page)
        index = next(iter(self._indexes.get(folder, ())), None)
        return index or file if path.endswith("/") else file or index

    def _file(self, path: str) -> str | None:
        """Return the page of a path. Ignoring case, several files with one suffix are ambiguous."""
        keys = self._files.get(path)
        if not keys or (len(keys) > 1 and self._spell is not str and _suffix(keys[0]) == _suffix(keys[1])):
            return None
        return keys[0]


class _Nearest:
    """Groups of keys by name; finds the nearest of a group.

    It shares most folders with the page of the link; of those, it is in the fewest folders, and first in order.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._groups = _grouped(pairs)
        self._by_folder: dict[str, dict[str, str]] = {}

    def find(self, name: str, from_key: str) -> str | None:
        """Return the key of a name that is nearest to another key."""
        keys = self._groups.get(name)
        if not keys or len(keys) == 1:
            return keys[0] if keys else None
        by_folder = self._by_folder.get(name)
        if by_folder is None:
            by_folder = self._by_folder[name] = _first_by_folder(keys)
        return next(by_folder[folder] for folder in _folders(from_key) if folder in by_folder)


def possible_names(links: Iterable[tuple[str, str, str]]) -> frozenset[str]:
    """Return the names of files that links (key, kind, target) may point to, and of the links' own documents.

    They are folded, with hyphens for spaces. A resolver with the documents of these names and all that have other names
    (`has_other_names`) resolves these links like one with all documents.
    """
    names: set[str] = set()
    for from_key, kind, target in links:
        names.add(fold(last_part(from_key)))
        path = _read_target(kind, target).path
        for name in (*_last_names(path), *(_folder_names(from_key, path) if _may_be_index(path) else ())):
            names.add(name)
            if strip_suffix(name) == name:
                names |= {name + suffix for suffix in PAGE_SUFFIXES}
    return frozenset(hyphenate(name) for name in names if "\0" not in name)  # no key has a NUL


def _read_target(kind: str, target: str) -> _Target:
    """Read what a target means: a path, a name, or the argument of a template's tag."""
    if kind == "wikilink":
        return _Target("name", target.partition("#")[0].strip())
    rule, rooted = "path", False
    if "{" in target:
        target = _SITE_VARIABLE.sub("", target)
        if match := _TAG.search(target):
            rule, rooted = ("name", False) if match[1] == "post_url" else ("path", True)
            target = match[2].removesuffix("-").strip().strip("\"'") + match[3]
        elif match := _REF.search(target):
            rule, target = "ref", match[1].strip() + match[2]
        elif match := _FILTERED.search(target):
            rooted, target = True, match[1] + match[2]
    elif target.startswith("[[") and target.endswith("]]"):
        return _Target("name", target[2:-2].partition("#")[0].strip())
    elif target.startswith(("@/", "@site/")):
        rooted, target = True, target.partition("/")[2]
    path = target.partition("#")[0].partition("?")[0]
    if not path.strip():
        return _Target(rule, "")
    return _Target(rule, f"/{path.lstrip('/')}" if rooted else path)


def _fold_wiki(name: str) -> str:
    return hyphenate(fold(name))


def _last_names(path: str) -> set[str]:
    """Return the last part of a path, folded: as it is, decoded, without suffix, and with hyphens for spaces."""
    names: set[str] = set()
    for variant in (path, unquote(path)):
        name = fold(last_part(variant.rstrip("/")))
        names |= {name, strip_suffix(name, (*PAGE_SUFFIXES, *SITE_SUFFIXES))}
    return names.union(map(hyphenate, names))


def _folder_names(from_key: str, path: str) -> set[str]:
    """Return the names, folded, of folders that a path from a document may lead to: their page may have that name."""
    folders = f"{posixpath.dirname(from_key)}/{path}/{unquote(path)}"
    return {fold(part) for part in published_folder(folders).split("/")} - _DOTS


def _may_be_index(path: str) -> bool:
    """Return True for a path that may be that of any folder's page: the folder's name is not its end."""
    name = unquote(last_part(path.rstrip("/"))).lower()
    return name in _DOTS or strip_suffix(name, (*PAGE_SUFFIXES, *SITE_SUFFIXES)) in INDEX_NAMES


def _page_path(path: str) -> str:
    """Write the path of a URL as that of its page: `a/index.html` and `a/` are a."""
    page = strip_suffix(path.rstrip("/"), SITE_SUFFIXES)
    return posixpath.dirname(page) if page != path and last_part(page) == "index" else page


def _bases(from_key: str, path: str) -> Iterator[str]:
    """Yield the paths that a link may mean: relative to the page's folder, or absolute from a site's root.

    A site's root is often a folder of the repository (`website/`), so the folders above the page are tried, outermost
    first.
    """
    folder = posixpath.dirname(from_key)
    starts = list(_folders(from_key))[::-1] if path.startswith("/") else [folder]
    for start in starts:
        joined = posixpath.normpath(posixpath.join(start, path.lstrip("/")))
        if joined.partition("/")[0] != "..":
            yield "" if joined == "." else joined + "/" * path.endswith("/")


def _folders(key: str) -> Iterator[str]:
    """Yield the folders above a key, innermost first; at most 16, and the root."""
    parts = posixpath.dirname(key).split("/")[:MAX_FOLDERS]
    for depth in range(len(parts), 0, -1):
        if folder := "/".join(parts[:depth]):
            yield folder
    yield ""


def _first_by_folder(keys: Iterable[str]) -> dict[str, str]:
    """Return for each folder the first of some keys below it: that in the fewest folders."""
    first: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: (key.count("/"), key)):
        for folder in _folders(key):
            first.setdefault(folder, key)
    return first


def _suffixes(key: str, parts: int, spell: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    ends = spell(key).rsplit("/", parts)
    if len(ends) >= parts:
        end = "/".join(ends[-parts:])
        yield end, key
        if (stem := strip_suffix(end)) != end:
            yield stem, key


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for name, key in pairs:
        groups[name][key] = None
    return {name: sorted(keys) for name, keys in groups.items()}


def _preference(key: str) -> tuple[int, int, str]:
    """Order keys by their suffix, and pages of folders by their name."""
    stem, suffix = strip_suffix(last_part(key)).lower(), _suffix(key)
    return (
        INDEX_NAMES.index(stem) if stem in INDEX_NAMES else 0,
        PAGE_SUFFIXES.index(suffix) if suffix in PAGE_SUFFIXES else 0,
        key,
    )


def _suffix(key: str) -> str:
    return posixpath.splitext(key)[1].lower()
