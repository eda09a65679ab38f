"""Check and normalise the web addresses that users enter; note a page's address in it. Pure."""

import re
from urllib.parse import urlsplit, urlunsplit

from headwater.errors import UnprocessableContent

MAX_URL_CHARS = 2_000
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


def normalise_web_address(url: str) -> str:
    """Return an http(s) address as it is stored; raises UnprocessableContent with the reason.

    >>> normalise_web_address(" Example.com/blog ")
    'https://example.com/blog'
    """
    url = url.strip()
    if not url or len(url) > MAX_URL_CHARS or _CONTROL.search(url):
        raise UnprocessableContent(f"config.url: enter an address of 1 to {MAX_URL_CHARS} characters without spaces.")
    if url.lower().startswith("feed:"):
        url = url[5:] if url[5:].lower().startswith("http") else f"https:{url[5:]}"
    if "://" not in url:
        url = f"https://{url}"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError as error:
        raise UnprocessableContent(f"config.url: this isn't a valid address: {error}.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise UnprocessableContent("config.url: enter an address that starts with https://.")
    if parts.username is not None or parts.password is not None:
        raise UnprocessableContent("config.url: remove the user name and password.")
    return urlunsplit(parts._replace(netloc=parts.netloc.lower(), path=parts.path or "/", fragment=""))


def with_base(content: bytes, url: str) -> bytes:
    """Put a page's address before it, as the base of its links, unless the page is in UTF-16."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content
    address = url.replace("&", "&amp;").replace('"', "%22").encode()
    return b'<base href="%s">' % address + content.removeprefix(b"\xef\xbb\xbf")
