"""The parser of DOCX, PPTX, ODT and ODP files. What a file is follows from its parts, not from its name."""

from functions.collection.parsers.writer import MarkdownWriter
from functions.collection.parsers.zip_files import ZipReader
from headwater.errors import PermanentError
from headwater.parsers import Parsed

_OOXML = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
READS = (
    f"{_OOXML}.wordprocessingml.document",
    f"{_OOXML}.wordprocessingml.template",
    f"{_OOXML}.presentationml.presentation",
    f"{_OOXML}.presentationml.slideshow",
    f"{_OPEN_DOCUMENT}.text",
    f"{_OPEN_DOCUMENT}.presentation",
    "application/msword",
    "application/vnd.ms-powerpoint",
    *(".docx", ".docm", ".dotx", ".pptx", ".pptm", ".ppsx", ".odt", ".ott", ".odp", ".doc", ".ppt"),
)
VERSION = 2

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse a document or presentation. Raises PermanentError if it is of another kind, damaged or encrypted."""
    if content.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise PermanentError("it is encrypted with a password")
        raise PermanentError("it is in the format of Office 97 to 2003; save it as .docx or .pptx")
    if not content.startswith(b"PK"):
        raise PermanentError("it is not a document of Word, PowerPoint or LibreOffice, although its name says so")
    archive = ZipReader(content)
    kind = archive.read("mimetype", 1_000).decode("ascii", "replace").strip()
    writer = MarkdownWriter()
    if kind.startswith(_OPEN_DOCUMENT):
        from functions.collection.parsers.office.open_document import write_open_document

        return write_open_document(archive, writer)
    if "ppt/presentation.xml" in archive:
        from functions.collection.parsers.office.slides import write_slides

        return write_slides(archive, writer)
    if any(part.startswith("word/document") for part in archive.names()):
        from functions.collection.parsers.office.word import write_document

        return write_document(archive, writer)
    raise PermanentError("it is a ZIP archive without a document or presentation in it")
