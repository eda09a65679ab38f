"""The parser of WordPress exports: one document with a section for each published post or page.

Exports that are uploaded to a source have a document for each post instead (`connectors.uploads`).
"""

from functions.collection.parsers.html_blocks import write_html
from functions.collection.parsers.writer import MarkdownWriter
from functions.collection.wordpress_export import SIGN, SIGN_BYTES, Export
from headwater.errors import PermanentError
from headwater.parsers import Parsed

READS = ("application/wxr+xml", ".wxr")
VERSION = 1


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse an export. Raises PermanentError if it is another file, is damaged, or has no published post."""
    if SIGN not in content[:SIGN_BYTES]:
        raise PermanentError("it is not an export of WordPress (WXR), although its name says so")
    writer = MarkdownWriter()
    export = Export(content)
    posts = 0
    for post in export.posts():
        posts += 1
        writer.heading(1, post.title or "(no title)")
        about = (post.published[:10], post.author, ", ".join(post.tags), post.link)
        writer.paragraph("\n".join(filter(None, about)))
        _write_content(post.content, writer)
    if export.problem:
        writer.warnings.append(export.problem)
    if not posts:
        raise PermanentError("it has no published posts or pages")
    return writer.finish(export.title or None)


def _write_content(content: str, writer: MarkdownWriter) -> None:
    from lxml import etree, html

    if not content.strip():
        return
    try:
        root = html.document_fromstring(f"<html><body>{content}", parser=html.HTMLParser(no_network=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        writer.paragraph(content)
        return
    for heading in root.iter("h1", "h2", "h3", "h4", "h5", "h6"):  # below the title of the post
        heading.tag = f"h{min(int(heading.tag[1]) + 1, 6)}"
    write_html(root, writer)
