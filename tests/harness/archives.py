"""Write small ZIP files."""

import io
import zipfile
from collections.abc import Mapping


def make_zip(members: Mapping[str, str | bytes]) -> bytes:
    """Return a compressed ZIP file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def make_docx(body: str, **parts: str) -> bytes:
    """Return a DOCX file with XML in its body; `parts` are others below `word`, such as `styles`."""
    namespaces = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    )
    members = {f"word/{name.replace('__', '/')}.xml": f"<w:x {namespaces}>{xml}</w:x>" for name, xml in parts.items()}
    return make_zip({"word/document.xml": f"<w:document {namespaces}><w:body>{body}</w:body></w:document>", **members})
