"""Read pages, sitemaps and robots.txt of a site. Runs in a process of its own: they are input of strangers."""

import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from headwater.errors import PermanentError
from headwater.html.decode import python_encoding
from headwater.outbound import robots
from headwater.processes.child import limit_memory

MEMORY_BYTES = 512 * 1024**2
MAX_LINKS = 5_000
MAX_SITEMAP_BYTES = 52_428_800
"""Of a sitemap after decompression (sitemaps.org)."""
MAX_SITEMAP_URLS = 50_000
MIN_WORDS_CHARS = 20
_DIGITS = re.compile(r"\d+")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)


class PageFacts(msgspec.Struct, frozen=True):
    """What a crawl needs of a page. Hashes are "" for a page with hardly any words.

    `words_hash` is that of the words without numbers and the page's own address, which pages for missing ones repeat.
    """

    links: tuple[str, ...] = ()
    canonical: str | None = None
    text_hash: str = ""
    words_hash: str = ""
    no_index: bool = False


class Sitemap(msgspec.Struct, frozen=True):
    """Pages and further sitemaps that a sitemap lists."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


class RobotsRules(msgspec.Struct, frozen=True):
    """What robots.txt says besides allowing and disallowing."""

    delay_s: float = 0.0
    sitemaps: tuple[str, ...] = ()


class SiteReader:
    """Reads one file at a time."""

    def __init__(self) -> None:
        limit_memory(MEMORY_BYTES)

    def page(self, content: bytes, media_type: str, url: str) -> Iterator[PageFacts]:
        """Yield the facts of an HTML page."""
        from lxml import etree, html

        parser = html.HTMLParser(encoding=_encoding(content, media_type), remove_comments=True, remove_pis=True)
        try:
            tree = html.document_fromstring(content, parser=parser)
        except (etree.ParserError, etree.XMLSyntaxError, ValueError, LookupError):
            yield PageFacts()
            return
        base = next((one.get("href") for one in tree.iter("base") if one.get("href")), "")
        directives = " ".join(
            (meta.get("content") or "").lower()
            for meta in tree.iter("meta")
            if (meta.get("name") or "").lower() in ("robots", "headwater")
        )
        canonical = next(
            (one.get("href") for one in tree.iter("link") if "canonical" in (one.get("rel") or "").lower().split()),
            None,
        )
        base = _join(url, base) or url
        links = () if "nofollow" in directives or "none" in directives else tuple(_links(tree, base))
        canonical = _join(base, canonical) if canonical else None
        no_index = "noindex" in directives or "none" in directives
        yield PageFacts(links, canonical, *_text_hashes(tree, url), no_index)

    def sitemap(self, content: bytes) -> Iterator[Sitemap]:
        """Yield what a sitemap lists: XML, also compressed, or a line for each address."""
        content = _decompress(content)
        if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<":
            lines = content[:MAX_SITEMAP_BYTES].decode(errors="replace").split()
            yield Sitemap(tuple(line for line in lines if line.startswith("http"))[:MAX_SITEMAP_URLS])
            return
        yield _read_sitemap(content)

    def robots(self, text: str) -> Iterator[RobotsRules]:
        """Yield the crawl delay and sitemaps of robots.txt."""
        rules = robots.parse_rules(text)
        delay_s = rules.crawl_delay(robots.NAME) or 0.0
        yield RobotsRules(min(max(float(delay_s), 0.0), 60.0), tuple(rules.sitemaps)[:100])

    def allowed(self, text: str, urls: tuple[str, ...]) -> Iterator[list[bool]]:
        """Yield whether robots.txt allows each URL."""
        yield robots.allowed(text, urls)


def _encoding(content: bytes, media_type: str) -> str | None:
    """Return the encoding of a page if it is UTF-8 or the server names it; None leaves it to libxml2."""
    try:
        content.decode()
    except UnicodeDecodeError:
        found = _CHARSET.search(media_type)
        return python_encoding(found[1]) if found else None
    return "utf-8"


def _links(tree: Any, base: str) -> Iterator[str]:
    found: dict[str, None] = {}
    for link in tree.iter("a", "area"):
        target = (link.get("href") or "").strip()
        if target and "nofollow" not in (link.get("rel") or "").lower() and (url := _join(base, target)):
            found[url.partition("#")[0]] = None
            if len(found) == MAX_LINKS:
                break
    yield from found


def _text_hashes(tree: Any, url: str) -> tuple[str, str]:
    """Return the hashes of a page's text, and of its words without numbers and its own address."""
    for element in list(tree.iter("script", "style", "noscript", "template")):
        element.drop_tree()
    body = tree.find("body")
    text = " ".join((tree if body is None else body).text_content().split())
    path = urlsplit(url).path
    words = _DIGITS.sub("", text.replace(url, "").replace(path, "") if len(path) > 1 else text)
    if len(words) <= MIN_WORDS_CHARS:
        return "", ""
    text_hash, words_hash = (hashlib.sha256(one.encode(errors="replace")).hexdigest()[:16] for one in (text, words))
    return text_hash, words_hash


def _decompress(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, MAX_SITEMAP_BYTES + 1)
    except zlib.error as error:
        raise PermanentError("The sitemap is not valid gzip.") from error
    if len(unpacked) > MAX_SITEMAP_BYTES:
        raise PermanentError(f"The sitemap has more than {MAX_SITEMAP_BYTES:,} bytes.")
    return unpacked


def _read_sitemap(content: bytes) -> Sitemap:
    from lxml import etree

    pages: list[str] = []
    sitemaps: list[str] = []
    options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "recover": True}
    for _, element in etree.iterparse(io.BytesIO(content), events=("end",), **options):
        name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
        if name == "loc" and element.text and (parent := element.getparent()) is not None:
            kind = parent.tag.rpartition("}")[2]
            (sitemaps if kind == "sitemap" else pages if kind == "url" else []).append(element.text.strip())
        if name in ("url", "sitemap"):
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
        if len(pages) >= MAX_SITEMAP_URLS:
            break
    return Sitemap(tuple(pages), tuple(sitemaps))


def _join(base: str, target: str) -> str | None:
    try:
        return urljoin(base, target)
    except ValueError:
        return None
