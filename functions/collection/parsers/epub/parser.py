"""The EPUB parser: the chapters in the order of the spine (EPUB 3.3)."""

import posixpath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from functions.collection.parsers.html_blocks import write_html
from functions.collection.parsers.office.ooxml import local_name, read_properties
from functions.collection.parsers.writer import MarkdownWriter
from functions.collection.parsers.zip_files import ZipReader
from headwater.errors import PermanentError
from headwater.parsers import Parsed

if TYPE_CHECKING:
    from lxml.etree import _Element

READS = ("application/epub+zip", ".epub")
VERSION = 1

_CHAPTERS = frozenset({"application/xhtml+xml", "text/html", "application/html+xml"})
_FONT_ENCRYPTION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse a book. Raises PermanentError if it is damaged or protected."""
    if not content.startswith(b"PK"):
        raise PermanentError("it is not an EPUB book, although its name says so")
    archive = ZipReader(content)
    container = archive.xml("META-INF/container.xml")
    files = [] if container is None else [one.get("full-path", "") for one in container.iter("{*}rootfile")]
    book = archive.xml(files[0]) if files else None
    if book is None:
        raise PermanentError("it is damaged: it has no table of its chapters")
    _refuse_protected(archive)
    writer = MarkdownWriter()
    folder = posixpath.dirname(files[0])
    for path in _spine(book):
        _write_chapter(archive, posixpath.normpath(posixpath.join(folder, path)), writer)
    if writer.is_empty:
        raise PermanentError("it has no text")
    metadata = next((one for one in book if local_name(one) == "metadata"), None)
    title, front_matter = read_properties(metadata)
    return writer.finish(title, front_matter)


def _spine(book: "_Element") -> list[str]:
    """Return the paths of the chapters, without the table of contents."""
    items = {one.get("id"): one for one in book.iter("{*}item")}
    chapters = [items[one.get("idref")] for one in book.iter("{*}itemref") if one.get("idref") in items]
    return [
        unquote(item.get("href", ""))
        for item in chapters
        if item.get("media-type") in _CHAPTERS and "nav" not in item.get("properties", "").split()
    ]


def _write_chapter(archive: ZipReader, path: str, writer: MarkdownWriter) -> None:
    from lxml import etree, html

    content = archive.read(path)
    if not content.strip():
        writer.warnings.append(f"missing chapter: {path}")
        return
    parser = html.HTMLParser(encoding=None if b"encoding=" in content[:200] else "utf-8", no_network=True)
    try:
        root = html.document_fromstring(content, parser=parser)
    except (etree.ParserError, ValueError):
        writer.warnings.append(f"damaged chapter: {path}")
        return
    write_html(root, writer)


def _refuse_protected(archive: ZipReader) -> None:
    encryption = archive.xml("META-INF/encryption.xml")
    for method in encryption.iter("{*}EncryptionMethod") if encryption is not None else ():
        if method.get("Algorithm") not in _FONT_ENCRYPTION:
            raise PermanentError("it is protected against copying (DRM)")
