"""What DOCX and PPTX files have in common: relationships between parts, and properties."""

import posixpath
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from functions.collection.parsers.zip_files import ZipReader

if TYPE_CHECKING:
    from lxml.etree import _Element

RELATIONSHIP = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MONOSPACED = re.compile(r".*(?:mono(?!type)|courier|consol|menlo|typewriter|code).*", re.IGNORECASE)
"""Names of fonts in which code is written. Fonts of the foundry Monotype, such as Monotype Corsiva, are others."""
_FIELDS = {"creator": "author", "description": "description", "subject": "description", "keywords": "keywords"}


class Relationship(NamedTuple):
    """What a part refers to: another part, or an address outside."""

    kind: str
    target: str
    is_external: bool


def relationships(archive: ZipReader, part: str) -> dict[str, Relationship]:
    """Return the relationships of a part by their ids."""
    folder, name = posixpath.split(part)
    root = archive.xml(f"{folder}/_rels/{name}.rels".lstrip("/"))
    found: dict[str, Relationship] = {}
    for one in root if root is not None else ():
        target, is_external = one.get("Target", ""), one.get("TargetMode") == "External"
        path = target if is_external else posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        found[one.get("Id", "")] = Relationship(one.get("Type", "").rpartition("/")[2], path, is_external)
    return found


def properties(archive: ZipReader) -> tuple[str | None, dict[str, Any]]:
    """Return the title and the front matter that a file's properties have."""
    root = archive.xml("docProps/core.xml")
    return read_properties(root)


def read_properties(root: "_Element | None") -> tuple[str | None, dict[str, Any]]:
    """Return the title and the front matter in elements of Dublin Core."""
    title: str | None = None
    values: dict[str, Any] = {}
    for element in root.iter("{*}*") if root is not None else ():
        name, text = local_name(element), " ".join((element.text or "").split())
        if not text or text.startswith("generated "):
            continue
        if name == "title":
            title = title or text
        elif name in _FIELDS:
            values.setdefault(_FIELDS[name], text)
        elif name in ("modified", "date"):
            values.setdefault("date", text[:10])
    return title, values


def local_name(element: "_Element") -> str:
    """Return an element's name without its namespace, "" for what is no element."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
