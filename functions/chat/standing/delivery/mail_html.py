"""Write an answer as HTML for mails. Pure.

Only the elements below are written: no image, style, script or raw HTML of the answer. Citations `[n]` are links.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_CITATION = re.compile(r"\[(\d{1,4})\]")
_SAFE_URL = re.compile(r"(https?://|mailto:)[^\s<>\"']+", re.IGNORECASE)

_ELEMENTS = {
    "BlockQuote": "blockquote",
    "CodeBlock": "pre",
    "Emphasis": "em",
    "Item": "li",
    "Paragraph": "p",
    "Strikethrough": "del",
    "Strong": "strong",
    "Table": "table",
    "TableHead": "tr",
    "TableRow": "tr",
}


def to_html(markdown: str, links: Mapping[int, str]) -> str:
    """Return the HTML of Markdown text. `links` are the addresses of the citations that have one, by number."""
    import pyromark

    options = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH
    return "".join(_write(pyromark.events(markdown, options=options), links))


def _write(events: Any, links: Mapping[int, str]) -> Iterator[str]:
    open_elements: list[str] = []
    in_head = False
    for event in events:
        match event:
            case {"Start": started}:
                in_head = in_head or started == "TableHead"
                element, attributes = _element(started, is_head=in_head)
                open_elements.append(element)
                yield f"<{element}{attributes}>" if element else ""
            case {"End": ended}:
                in_head = in_head and ended != "TableHead"
                element = open_elements.pop()
                yield f"</{element}>" if element else ""
            case {"Text": text}:
                yield escape(text) if "a" in open_elements else _with_citations(text, links)
            case {"Code": text}:
                yield f"<code>{escape(text)}</code>"
            case {"Html": text} | {"InlineHtml": text}:
                yield escape(text)
            case "SoftBreak":
                yield "\n"
            case "HardBreak":
                yield "<br>"
            case "Rule":
                yield "<hr>"


def _element(tag: Any, *, is_head: bool) -> tuple[str, str]:
    """Return the name and attributes of the element for a tag of pyromark. An empty name: only its text is written."""
    name: str
    detail: Any
    name, detail = (tag, None) if isinstance(tag, str) else next(iter(tag.items()))
    match name:
        case "Heading":
            return detail["level"].lower(), ""
        case "List":
            return "ul" if detail is None else "ol", ""
        case "TableCell":
            return "th" if is_head else "td", ""
        case "Link":
            url = detail["dest_url"]
            return ("a", f' href="{escape(url)}"') if _SAFE_URL.fullmatch(url) else ("", "")
    return _ELEMENTS.get(name, ""), ""


def _with_citations(text: str, links: Mapping[int, str]) -> str:
    parts, end = [], 0
    for found in _CITATION.finditer(text):
        url = links.get(int(found[1]))
        parts.append(escape(text[end : found.start()]))
        parts.append(f'<a href="{escape(url)}">{found[0]}</a>' if url else found[0])
        end = found.end()
    return "".join([*parts, escape(text[end:])])
