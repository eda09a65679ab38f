"""Write Confluence's storage format as HTML: macros, links to pages, tasks and images become elements of HTML. Pure.

Atlassian, "Confluence Storage Format". The format is XHTML with elements of its own, whose names have a colon.
"""

import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_EMPTY = re.compile(r"<((?:ac|ri|at):[\w-]{1,60})((?:\s[^<>]{0,2000})?)/>")
_BOXES = frozenset(("info", "note", "warning", "tip", "panel", "expand"))
_REMOVED = frozenset(("ac:emoticon", "ac:placeholder", "ac:adf-attribute", "ac:task-id", "ac:adf-fallback"))
_PAGE = re.compile(r"/(?:spaces|display)/([^/?#]+)/(?:pages/\d+/)?([^/?#]+)")


def page_address(space: str, title: str) -> str:
    """Return the address by which links name a page, which has a title of its own within its space."""
    return f"/{quote(space, safe='~')}/{quote(title, safe='')}"


def to_html(storage: str, title: str, space: str, created: str) -> bytes:
    """Return a page in storage format as an HTML page that has nothing but its content."""
    from lxml import etree, html

    text = _EMPTY.sub(r"<\1\2></\1>", _escape_cdata(storage.replace("\0", " ")))
    try:
        root = html.fragment_fromstring(text, create_parent="div")
    except (etree.ParserError, ValueError):
        root = html.Element("div")
    _Converter(space).convert(root)
    metas = {"headwater-content": "entry", "headwater-permalink": page_address(space, title), "date": created}
    head = "".join(f'<meta name="{name}" content="{escape(value)}">' for name, value in metas.items() if value)
    body = html.tostring(root, encoding="unicode")
    page = f'<!doctype html><html><head><meta charset="utf-8"><title>{escape(title)}</title>{head}</head><body>{body}'
    return page.encode(errors="ignore")


def _escape_cdata(storage: str) -> str:
    """Write sections of CDATA, which HTML doesn't have, as text."""
    before, *sections = storage.split("<![CDATA[")
    pieces = [before]
    for section in sections:
        content, _, after = section.partition("]]>")
        pieces += (escape(content), after)
    return "".join(pieces)


class _Converter:
    def __init__(self, space: str) -> None:
        self._space = space

    def convert(self, root: "HtmlElement") -> None:
        """Convert the elements below one, the innermost first."""
        for element in reversed(list(root.iterdescendants())):
            if not isinstance(element.tag, str) or ":" not in element.tag:
                if element.tag == "a" and (found := _PAGE.search(element.get("href") or "")):
                    element.set("href", f"/{found[1]}/{found[2].replace('+', '%20')}")
                if element.tag == "time":
                    element.text = element.text or element.get("datetime")
                continue
            self._convert(element)

    def _convert(self, element: "HtmlElement") -> None:
        match element.tag:
            case "ac:structured-macro" | "ac:macro":
                self._macro(element)
            case "ac:link":
                self._link(element)
            case "ac:image":
                _become(element, "span", element.get("ac:alt") or element.get("ac:title") or "")
            case "ac:task-list":
                element.tag = "ul"
            case "ac:task":
                element.tag = "li"
            case "ac:task-status":
                _become(element, "span", "[x] " if (element.text or "").strip() == "complete" else "[ ] ")
            case "ac:plain-text-link-body" | "ac:link-body" | "ac:task-body" | "ac:caption":
                element.tag = "span"
            case tag if tag in _REMOVED:
                element.drop_tree()
            case tag if tag.startswith("ri:") or tag == "ac:parameter":
                return  # the macro or link around it reads it
            case _:
                element.tag = "div"

    def _macro(self, macro: "HtmlElement") -> None:
        name = macro.get("ac:name") or ""
        parameters = {one.get("ac:name"): one.text_content() for one in macro if one.tag == "ac:parameter"}
        if name in ("code", "noformat"):
            bodies = [one for one in macro if one.tag in ("div", "ac:plain-text-body")]
            _become(macro, "pre", "".join(body.text_content() for body in bodies))
            macro.set("data-lang", parameters.get("language", ""))
            return
        if name == "status":
            _become(macro, "span", parameters.get("title", ""))
            return
        title = parameters.get("title", "") if name in _BOXES else ""
        for one in list(macro):
            if one.tag == "ac:parameter":
                one.drop_tree()
        macro.attrib.clear()
        macro.tag = "blockquote" if name in _BOXES - {"expand"} else "div"
        if title:
            from lxml.html import builder

            macro.insert(0, builder.P(builder.STRONG(title)))

    def _link(self, link: "HtmlElement") -> None:
        text = " ".join(one.text_content() for one in link if one.tag == "span").strip()
        page = next((one for one in link if one.tag in ("ri:page", "ri:blog-post")), None)
        file = next((one for one in link if one.tag == "ri:attachment"), None)
        if page is not None and (title := page.get("ri:content-title")):
            _become(link, "a", text or title)
            link.set("href", page_address(page.get("ri:space-key") or self._space, title))
        else:
            _become(link, "span", text or (file.get("ri:filename") or "" if file is not None else ""))


def _become(element: "HtmlElement", tag: str, text: str) -> None:
    """Make an element another one, with nothing but a text."""
    tail = element.tail
    element.clear()
    element.tag, element.text, element.tail = tag, text, tail
