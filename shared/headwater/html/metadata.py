"""Read a page's title, date, canonical address, description and author from its metadata. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?")
_DATE_NAMES = (
    "article:published_time",
    "datepublished",
    "date",
    "dc.date",
    "dcterms.date",
    "dcterms.created",
    "pubdate",
)
_MODIFIED_NAMES = ("article:modified_time", "datemodified", "last-modified", "dcterms.modified")
_MAX_CHARS = 1_000
_MAX_JSON_CHARS = 200_000
_SITE_SEPARATORS = (" | ", " — ", " \u2013 ", " · ", " » ", " :: ", " - ")


def read_metadata(tree: Any, base: str) -> dict[str, str]:
    """Return the page's metadata, with the names of front matter: `title`, `date`, `canonical` …"""
    metas = dict(_metas(tree))
    linked_data = _linked_data(tree)
    found = {
        "title": _title(tree, metas),
        "description": metas.get("description") or metas.get("og:description"),
        "author": metas.get("author"),
        "date": _date(metas, _DATE_NAMES) or _iso(linked_data.get("datePublished")) or _time(tree),
        "modified": _date(metas, _MODIFIED_NAMES) or _iso(linked_data.get("dateModified")),
        "keywords": metas.get("keywords"),
        "lang": tree.get("lang") or tree.get("xml:lang"),
        "canonical": canonical_address(tree, base),
        "permalink": metas.get("headwater-permalink"),
    }
    return {name: " ".join(text.split())[:_MAX_CHARS] for name, text in found.items() if text and text.strip()}


def canonical_address(tree: Any, base: str) -> str | None:
    """Return the address that a page names as its own, resolved against `base`."""
    for link in tree.iter("link"):
        if "canonical" in link.get("rel", "").lower().split() and (target := link.get("href", "").strip()):
            return _join(base, target)
    return None


def base_address(tree: Any, address: str = "") -> str:
    """Return the base URL of the page's links: its `<base>` element, resolved against its address."""
    for element in tree.iter("base"):
        if target := element.get("href", "").strip():
            return _join(address, target) or address
    return address


def _join(base: str, target: str) -> str | None:
    try:
        return urljoin(base, target)
    except ValueError:
        return None


def _metas(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield names and contents in reverse order, so that the first of a name counts."""
    for meta in reversed(list(tree.iter("meta"))):
        name = meta.get("name") or meta.get("property") or meta.get("itemprop") or meta.get("http-equiv")
        if name and (content := meta.get("content")):
            yield name.strip().lower(), content


def _title(tree: Any, metas: Mapping[str, str]) -> str | None:
    """Return the title without the site's name, where another part of the page says what that is."""
    if shared := metas.get("og:title") or metas.get("twitter:title"):
        return shared
    element = next(tree.iter("title"), None)
    title: str = " ".join(element.text_content().split()) if element is not None else ""
    heading = next(tree.iter("h1"), None)
    main = " ".join(heading.text_content().split()).rstrip("¶#") if heading is not None else ""
    if main and title.startswith(main) and title[len(main) :].startswith(_SITE_SEPARATORS):
        return main
    site = metas.get("og:site_name", "")
    for separator in _SITE_SEPARATORS if site else ():
        title = title.removesuffix(separator + site).removeprefix(site + separator)
    return title or main or None


def _date(metas: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((date for name in names if (date := _iso(metas.get(name)))), None)


def _iso(text: Any) -> str | None:
    found = _DATE.match(text.strip()) if isinstance(text, str) else None
    return found[0] if found else None


def _time(tree: Any) -> str | None:
    """Return the date of the only `<time>` element, or of the one that is marked as the date of publication."""
    times = list(tree.iter("time"))
    marked = [time for time in times if time.get("pubdate") is not None or time.get("itemprop") == "datePublished"]
    chosen = marked[:1] or (times if len(times) == 1 else [])
    return _iso(chosen[0].get("datetime")) if chosen else None


def _linked_data(tree: Any) -> Mapping[str, Any]:
    """Return the first JSON-LD object with a date (schema.org)."""
    for script in tree.iter("script"):
        if script.get("type", "").lower() != "application/ld+json" or len(script.text or "") > _MAX_JSON_CHARS:
            continue
        try:
            data = json.loads(script.text or "")
        except (ValueError, RecursionError):
            continue
        graph = data.get("@graph", [data]) if isinstance(data, dict) else data
        for one in graph if isinstance(graph, list) else ():
            if isinstance(one, dict) and ("datePublished" in one or "dateModified" in one):
                return one
    return {}
