"""Find the links of a Markdown text as its readers do: by CommonMark, and by GFM's links of addresses in text."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token


def _walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _walk(token.children or [])


_GFM_ADDRESS = re.compile(r"(?:^|[\s*_~(])((?:https?://|ftp://|www\.|mailto:|xmpp:)[^\s<]*)", re.IGNORECASE)


def link_targets(markdown: str) -> list[str]:
    """Return what a reader would link to or load: links, images, HTML, and addresses in text as GFM links them."""
    found = []
    for token in _walk(MarkdownIt("commonmark").enable("table").parse(markdown)):
        match token.type:
            case "link_open":
                found.append(str(token.attrs["href"]))
            case "image":
                found.append(f"image {token.attrs['src']}")
            case "html_inline" | "html_block":
                found.append(f"html {token.content}")
            case "text":
                found += [address.rstrip("?!.,:*_~)\"'") for address in _GFM_ADDRESS.findall(token.content)]
    return found
