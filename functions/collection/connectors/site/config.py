"""Config of a site, and which addresses belong to it. Pure."""

import re
from collections.abc import Callable
from posixpath import splitext
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Meta

from functions.collection.connectors.patterns import matcher
from functions.collection.connectors.web_address import normalise_web_address

MAX_PAGES = 10_000
MAX_LINK_CHARS = 500
MAX_QUERIES = 20
"""Addresses that differ by their query only: lists and calendars have endless ones."""
MAX_REPEATED_PARTS = 2
_SESSION = re.compile(
    r"utm_\w+|fbclid|gclid|msclkid|mc_[ce]id|phpsessid|jsessionid|aspsessionid\w*|s?sid|session_?id", re.IGNORECASE
)
_PATH_SESSION = re.compile(r";(?:jsessionid|sid|phpsessid)=[^/?#]*", re.IGNORECASE)
_NO_PAGES = frozenset(
    (
        *(
            ".7z",
            ".atom",
            ".avi",
            ".bmp",
            ".bz2",
            ".css",
            ".deb",
            ".dmg",
            ".eot",
            ".exe",
            ".gif",
            ".gz",
            ".ico",
            ".iso",
        ),
        *(".jar", ".jpeg", ".jpg", ".js", ".json", ".m4a", ".map", ".mjs", ".mov", ".mp3", ".mp4", ".mpg"),
        *(".ogg", ".otf", ".png", ".rar", ".rpm", ".rss", ".svg", ".tar", ".tgz", ".tif", ".tiff", ".ttf", ".wav"),
        *(".webm", ".webp", ".woff", ".woff2", ".xml", ".xz", ".zip"),
    )
)


class SiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pages to collect."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="The site's first page. Pages below its path are collected.",
            examples=["https://example.com/docs/"],
        ),
    ]
    max_pages: Annotated[
        int, Meta(title="Pages", description="The largest number of pages to collect.", ge=1, le=MAX_PAGES)
    ] = 1_000
    exclude: Annotated[
        tuple[str, ...],
        Meta(
            title="Exclude",
            description="Patterns for pages to leave out, matched against the path without its first slash.",
            examples=[["blog/tags/**", "*/print"]],
        ),
    ] = ()
    sitemap: Annotated[
        bool,
        Meta(title="Use the sitemap", description="If off, or if there is no sitemap, links are followed."),
    ] = True
    max_depth: Annotated[
        int,
        Meta(
            title="Depth",
            description="How many links to follow, one after another, from the first page.",
            ge=0,
            le=50,
        ),
    ] = 10
    delay_s: Annotated[
        float,
        Meta(
            title="Delay",
            description="Seconds between two requests. A longer delay in robots.txt is used instead.",
            ge=0,
            le=60,
        ),
    ] = 0.5

    def normalised(self) -> "SiteConfig":
        """Return the config as it is stored; raises UnprocessableContent with the invalid field and the reason."""
        self.excludes()
        return msgspec.structs.replace(self, url=normalise_web_address(self.url))

    def excludes(self) -> Callable[[str], bool]:
        """Compile the patterns."""
        return matcher("exclude", self.exclude)


class Scope:
    """Decides which addresses are pages of a site, whose first page is at `start`."""

    def __init__(self, start: str, config: SiteConfig) -> None:
        parts = urlsplit(start)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = _folder(parts.path)
        self._start = start
        self._excludes = config.excludes()

    def has(self, url: str) -> bool:
        """Return True for an address of the site, in the form of `normalise_link`."""
        parts = urlsplit(url)
        is_below = parts.path.startswith(self.path) or parts.path == self.path.rstrip("/")
        return url == self._start or (
            f"{parts.scheme}://{parts.netloc}" == self.origin and is_below and not self._excludes(key_of(url))
        )

    def may_follow(self, url: str) -> bool:
        """Return True for an address of the site that doesn't look like a file of another kind, or a trap."""
        parts = urlsplit(url)
        names = [name for name in parts.path.split("/") if name]
        return (
            self.has(url)
            and len(url) <= MAX_LINK_CHARS
            and splitext(parts.path)[1].lower() not in _NO_PAGES
            and all(names.count(name) <= MAX_REPEATED_PARTS for name in names)
        )


def normalise_link(url: str) -> str | None:
    """Write an address in its one form: without fragment, session and tracking; None if it is no web address.

    >>> normalise_link("HTTPS://A.example:443/b/../c;jsessionid=1?utm_source=x&b=2&a=1#top")
    'https://a.example/c?a=1&b=2'
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip(".").encode("idna").decode(), parts.port
    except ValueError:  # UnicodeError is one
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    host = f"[{host}]" if ":" in host else host
    netloc = host if port in (None, 443 if parts.scheme == "https" else 80) else f"{host}:{port}"
    fields = parse_qsl(parts.query, keep_blank_values=True)
    query = sorted((name, value) for name, value in fields if not _SESSION.fullmatch(name))
    path = _normalise_path(_PATH_SESSION.sub("", parts.path))
    return urlunsplit(SplitResult(parts.scheme, netloc, path, urlencode(query), ""))


def key_of(url: str) -> str:
    """Return the key of a page: its path and query. The page of a folder has the folder's path.

    >>> key_of("https://a.example/docs/caf%C3%A9/?page=2"), key_of("https://a.example/")
    ('docs/café?page=2', 'index')
    """
    parts = urlsplit(url)
    path = parts.path.strip("/") or "index"
    readable = unquote(path)
    path = readable if readable.isprintable() and quote(readable, safe="/:@!$&'()*+,;=~") == path else path
    return f"{path}?{parts.query}" if parts.query else path


def _folder(path: str) -> str:
    """Return the path below which a site's pages are: `/docs/` of `/docs/`, `/docs` and `/docs/index.html`."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/" if "." in name or not name else f"{path}/"


def _normalise_path(path: str) -> str:
    """Resolve dots, and write percent-encoding in its one form."""
    kept: list[str] = []
    parts = path.split("/")
    for part in parts[1:] if path.startswith("/") else parts:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    if parts[-1] in ("..", "."):
        kept.append("")
    return "/" + quote("/".join(kept), safe="/:@!$&'()*+,;=~%")
