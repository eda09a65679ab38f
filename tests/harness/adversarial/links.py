"""Adversarial sources of documents with links: keys that are alike, and links that many of them could be meant by."""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple


class Links(NamedTuple):
    """A source's documents with their front matter, and the links in them: the document's key, the kind of link and the
    target."""

    documents: dict[str, dict[str, Any]]
    links: list[tuple[str, str, str]]


def _spellings(word: str, number: int) -> str:
    """Spell a word in one of many ways, by upper and lower case."""
    return "".join(letter.upper() if number >> n & 1 else letter for n, letter in enumerate(word))


_KEYS: dict[str, Callable[[int], str]] = {
    "numbered": lambda n: f"docs/page-{n}.md",
    "of one name": lambda n: f"docs/{n}/page.md",
    "of index pages": lambda n: f"docs/{n}/index.md",
    "of spellings": lambda n: f"docs/{_spellings('abcdefghijklmnop', n)}.md",
    "of spellings of folders": lambda n: f"{_spellings('abcdefghijklmnop', n)}/page.md",
    "of accents": lambda n: "docs/" + ("e\u0301", "é")[n % 2] + f"{n // 2}.md",
    "in deep folders": lambda n: f"{'a/' * 40}{n}/page.md",
    "in long folders": lambda n: f"{'a' * 200}/{n}/page.md",
    "of numbered folders": lambda n: f"{n:05}-docs/{n:05}-page.md",
    "of posts": lambda n: f"_posts/2024-01-02-page-{n % 7}.md" if n % 2 else f"{n}/_posts/2024-01-02-page.md",
    "of namespaces": lambda n: f"pages/{n}___page___{n % 5}.md",
    "of three suffixes": lambda n: f"docs/{n // 3}{('.md', '.mdx', '')[n % 3]}",
}

_LINKS: dict[str, tuple[str, Callable[[int], str]]] = {
    "missing names": ("wikilink", lambda n: f"missing {n}"),
    "spellings of a name": ("wikilink", lambda n: _spellings("page", n)),
    "spellings of a long name": ("wikilink", lambda n: _spellings("abcdefghijklmnop", n)),
    "ends of paths": ("wikilink", lambda n: f"{n}/page"),
    "missing paths": ("link", lambda n: f"../missing/{n}"),
    "deep ends of paths": ("wikilink", lambda n: "a/" * (n % 40) + f"{n}/page"),
    "references": ("link", lambda n: f'{{{{< ref "{n}/page" >}}}}'),
    "tags": ("link", lambda n: "{% link docs/" + "page" * (n % 9) + " %}"),
    "aliases": ("link", lambda n: f"/old/page-{n % 7}/"),
    "paths": ("link", lambda n: f"../docs/{n}/"),
    "paths from the root": ("link", lambda n: f"/docs/{n}"),
    "encoded paths": ("link", lambda n: f"%2e%2e/%64ocs/{n}"),
    "parents": ("link", lambda n: "../" * (n % 50) + "page"),
}


_FRONT_MATTER: list[dict[str, Any]] = [{}, {"slug": "page", "aliases": ["/old/page-1/"]}, {"aliases": "page, other"}]


def _source(keys: str, links: str) -> Callable[[int], Links]:
    key, (kind, target) = _KEYS[keys], _LINKS[links]

    def source(size: int) -> Links:
        documents = {key(n): _FRONT_MATTER[n % 3] for n in range(size // 2)}
        return Links(documents, [(key(n), kind, target(n)) for n in range(size // 2)])

    return source


LINKS = {f"{links} among keys {keys}": _source(keys, links) for keys, links in product(_KEYS, _LINKS)}
