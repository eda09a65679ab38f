"""The parser of WordPress exports: one document with a section for each published post or page.

A WXR file is an RSS feed with the posts' content as it is stored: HTML with comments of the block editor, or text whose
paragraphs are separated by empty lines. It is read item by item, so that the whole tree is never in memory.
"""

import io
import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING, Any, NamedTuple

from functions.collection.parsers.html_blocks import write_html
from functions.collection.parsers.writer import MarkdownWriter
from headwater.errors import PermanentError
from headwater.parsers import Parsed

if TYPE_CHECKING:
    from lxml.etree import _Element

READS = ("application/wxr+xml", ".wxr")
VERSION = 1

SIGN = b"//wordpress.org/export/"
"""Part of the namespace that every WXR file declares."""
MAX_POSTS = 10_000
_LEFT_OUT = frozenset(("attachment", "nav_menu_item", "revision", "custom_css", "customize_changeset", "oembed_cache"))
_LEFT_OUT |= {"wp_global_styles", "wp_navigation", "wp_template", "wp_template_part", "user_request"}
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_SHORTCODE = re.compile(r"\[/?[a-z][a-z0-9_-]{0,40}(?:\s[^\[\]]{0,1000})?/?\]")
_BLOCK = re.compile(
    r"\s*<(?:/?(?:p|div|h[1-6]|ul|ol|li|table|pre|blockquote|figure|hr|section|dl|form)\b|!--)", re.IGNORECASE
)


class _Post(NamedTuple):
    title: str
    content: str
    about: str


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse an export. Raises PermanentError if it is another file, is damaged, or has no published post."""
    if SIGN not in content[:20_000]:
        raise PermanentError("it is not an export of WordPress (WXR), although its name says so")
    writer = MarkdownWriter()
    reader = _ExportReader(content)
    posts = 0
    for post in reader.posts():
        posts += 1
        if posts > MAX_POSTS:
            writer.warnings.append(f"only the first {MAX_POSTS:,} posts were read")
            break
        writer.heading(1, post.title or "(no title)")
        writer.paragraph(post.about)
        _write_content(post.content, writer)
    if reader.is_damaged:
        writer.warnings.append("the file is damaged: what comes after the damage was not read")
    if not posts:
        raise PermanentError("it has no published posts or pages")
    return writer.finish(reader.title or None)


class _ExportReader:
    """Reads an export. `title` is that of the site."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.title = ""
        self.is_damaged = False

    def posts(self) -> Iterator[_Post]:
        """Yield the published posts that have a text."""
        from lxml import etree

        options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True}
        try:
            for _, element in etree.iterparse(io.BytesIO(self._content), events=("end",), **options):
                parent = element.getparent()
                if element.tag == "title" and parent is not None and parent.tag == "channel":
                    self.title = (element.text or "").strip()
                if element.tag != "item":
                    continue
                post = _read_item(element)
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
                if post:
                    yield post
        except (etree.XMLSyntaxError, ValueError):
            self.is_damaged = True


def _read_item(item: "_Element") -> _Post | None:
    fields: dict[str, str] = {}
    terms: dict[str, list[str]] = {"category": [], "post_tag": []}
    for child in item:
        if not isinstance(child.tag, str):
            continue
        text = (child.text or "").strip()
        if child.tag == "category":
            terms.setdefault(child.get("domain") or "category", []).append(text)
        else:
            # The namespace of WordPress's own fields has the version of the format.
            name = child.tag.rpartition("}")[2] if SIGN.decode() in child.tag else child.tag
            fields.setdefault(name, text)
    content = fields.get(_CONTENT, "")
    is_shown = fields.get("status", "publish") == "publish" and not fields.get("post_password")
    if not is_shown or fields.get("post_type", "post") in _LEFT_OUT or not (content or fields.get("title")):
        return None
    tags = ", ".join(filter(None, [*terms["category"], *terms["post_tag"]]))
    about = [fields.get("post_date", "")[:10], fields.get(_CREATOR, ""), tags, fields.get("link", "")]
    return _Post(unescape(fields.get("title", "")), content, "\n".join(filter(None, about)))


def _write_content(content: str, writer: MarkdownWriter) -> None:
    from lxml import etree, html

    text = _SHORTCODE.sub("", content)
    if "<!-- wp:" not in text:
        text = "\n".join(
            paragraph if _BLOCK.match(paragraph) else f"<p>{paragraph.strip().replace(chr(10), '<br>')}</p>"
            for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
        )
    if not text.strip():
        return
    try:
        root = html.document_fromstring(f"<html><body>{text}", parser=html.HTMLParser(no_network=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        writer.paragraph(text)
        return
    for heading in root.iter("h1", "h2", "h3", "h4", "h5", "h6"):  # below the title of the post
        heading.tag = f"h{min(int(heading.tag[1]) + 1, 6)}"
    write_html(root, writer)
