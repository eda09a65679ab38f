"""Read pages and robots.txt, which are untrusted input. Runs in the processes of `reader_pool`."""

from collections.abc import Iterator

from functions.chat.web.page_text import PageText, read_page
from headwater.outbound import robots
from headwater.processes.child import limit_memory

MEMORY_BYTES = 256 * 1024**2
"""What a page may need beyond the memory of the imported libraries."""


class PageReader:
    """Reads one file at a time."""

    def __init__(self) -> None:
        import trafilatura  # noqa: F401 - a quarter of a second, before the first page comes
        from lxml import etree, html  # noqa: F401

        limit_memory(MEMORY_BYTES)

    def page(self, content: bytes, media_type: str) -> Iterator[PageText]:
        """Yield a page's text."""
        yield read_page(content, media_type)

    def allowed(self, text: str, url: str) -> Iterator[bool]:
        """Yield whether robots.txt allows a URL."""
        yield robots.allowed(text, [url])[0]
