"""The HTML parser: the main text of a page as Markdown, with its title, date and canonical address. Pure."""

from typing import Any

import msgspec

from functions.collection.parsers.html_blocks import write_html
from functions.collection.parsers.writer import MarkdownWriter
from headwater.errors import PermanentError
from headwater.html.decode import decode_html
from headwater.html.main_content import find_main_content
from headwater.html.metadata import base_address, read_metadata
from headwater.html.tree import read_tree, remove_scripts, resolve_links
from headwater.parsers import Parsed

READS = ("text/html", "application/xhtml+xml", ".html", ".htm", ".xhtml")
VERSION = 2

WHOLE = "headwater-content"
"""The name of the `<meta>` element of pages that consist of main content only, such as the text of a feed's entry."""

_MIN_CHARS = 200
_MIN_PAGE_CHARS = 600
"""A page with less main text, and less text in all, is built by its scripts if it has an element for them to fill."""
_ROOTS = frozenset(("root", "app", "__next", "__nuxt", "main-app", "react-root", "app-root", "svelte", "___gatsby"))
_NEEDS_SCRIPTS = (
    "the page has no text without JavaScript, which isn't run; collect its source, its feed or its API instead"
)


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 - the contract of parsers
    """Parse an HTML page. Raises PermanentError for a binary file, and for a page that JavaScript builds."""
    text = decode_html(content, media_type)
    warnings: list[str] = []
    tree = read_tree(text, warnings)
    if tree is None:
        return Parsed("", warnings=tuple(warnings))
    base = base_address(tree)
    metadata = read_metadata(tree, base)
    is_application = _is_application(tree)
    remove_scripts(tree)
    visible_chars = len("".join(tree.text_content().split()))
    is_whole = bool(tree.xpath("//meta[@name=$name]", name=WHOLE))
    root = tree if is_whole else find_main_content(tree, len(text))
    if base:
        resolve_links(root, base)
    writer = MarkdownWriter()
    write_html(root, writer)
    parsed = writer.finish(metadata.pop("title", None), metadata)
    if is_application and len(parsed.text) < _MIN_CHARS and visible_chars < _MIN_PAGE_CHARS:
        raise PermanentError(_NEEDS_SCRIPTS)
    return msgspec.structs.replace(parsed, warnings=tuple(warnings))


def _is_application(tree: Any) -> bool:
    """Return True if scripts fill an empty element of the page, or it says that it needs them."""
    if not any(script.get("src") or script.get("type") == "module" for script in tree.iter("script")):
        return False
    has_empty_root = any(
        not element.text_content().strip() or element.get("id") in _ROOTS
        for element in tree.iter("div", "main", "app-root")
        if element.get("id")
    )
    return has_empty_root or any("javascript" in (one.text_content() or "").lower() for one in tree.iter("noscript"))
