"""The `link` stage: where a link of one document points within its source. Pure; called by the `finish` step.

Relative and root-absolute paths are tried as written, then as people leave them out: `.md`, `.mdx`, and a folder's
`index.md` or `README.md`. Wikilinks name a path or, as in Obsidian, only a file's stem, whatever its case, where one
document alone has it.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_SUFFIXES = ("", ".md", ".mdx", "/index.md", "/index.mdx", "/README.md", "/readme.md")
_AMBIGUOUS = ""


class LinkResolver:
    """Resolves links between the documents with these keys."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = set(keys)
        self._folded: dict[str, str] = {}
        self._stems: dict[str, str] = {}
        for key in self._keys:
            _add(self._folded, key.casefold(), key)
            _add(self._stems, posixpath.splitext(posixpath.basename(key))[0].casefold(), key)

    def resolve(self, from_key: str, kind: str, target: str) -> str | None:
        """Return the key that a link of `from_key` points to, or None when it is no document of the source."""
        path = unquote(re.split(r"[#?]", target, maxsplit=1)[0]).strip()
        if not path:
            return from_key if target.startswith("#") else None
        if _SCHEME.match(target):
            return None
        for candidate in _candidates(from_key, path):
            if candidate in self._keys:
                return candidate
            if found := self._folded.get(candidate.casefold()):
                return found
        return self._stems.get(path.casefold().removesuffix(".md")) or None if kind == "wikilink" else None


def _candidates(from_key: str, path: str) -> Iterator[str]:
    """Yield the keys that a path may mean, the likeliest first."""
    folder = posixpath.dirname(from_key)
    for base in dict.fromkeys((path.lstrip("/") if path.startswith("/") else posixpath.join(folder, path), path.lstrip("/"))):
        normal = posixpath.normpath(base)
        if not normal.startswith(".."):
            yield from (normal.removeprefix("./") + suffix for suffix in _SUFFIXES)


def _add(index: dict[str, str], name: str, key: str) -> None:
    index[name] = _AMBIGUOUS if name in index else key
