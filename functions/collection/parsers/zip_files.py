"""Read the members of ZIP files, and XML in them, within limits. A small file may unpack to gigabytes.

For parsers of formats that are ZIP files. Nothing is unpacked to disk.
"""

import io
import zipfile
import zlib
from typing import TYPE_CHECKING

from headwater.errors import PermanentError

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_MEMBERS = 10_000
MAX_UNPACKED_BYTES = 200_000_000
"""Of all members that are read."""
MAX_MEMBER_BYTES = 40_000_000
"""XML in memory has several times its size."""
MAX_RATIO = 300
"""Unpacked bytes for each byte of a file that unpacks to more than 10 MB. Text is compressed to a tenth."""

_RATIO_FROM_BYTES = 10_000_000
_ENCRYPTED = 0x1


class ZipReader:
    """The members of a ZIP file. Raises PermanentError for a damaged one, and for one that unpacks to too much."""

    def __init__(self, content: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, OverflowError) as error:
            raise PermanentError("it is damaged: it is not a complete ZIP archive") from error
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            raise PermanentError(f"it has more than {MAX_MEMBERS:,} parts")
        unpacked = sum(member.file_size for member in members)
        if unpacked > _RATIO_FROM_BYTES and unpacked > MAX_RATIO * len(content):
            raise PermanentError(f"it would unpack to {unpacked:,} bytes, more than {MAX_RATIO} times its size")
        self._members = {member.filename: member for member in members}
        self._read_bytes = 0

    def names(self) -> list[str]:
        """Return the names of the members."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Return the size that a member claims to have."""
        return self._members[name].file_size

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, max_bytes: int = MAX_MEMBER_BYTES) -> bytes:
        """Return a member's bytes, b"" if there is none."""
        content = self.read_head(name, max_bytes + 1)
        self._read_bytes += len(content)
        if len(content) > max_bytes:
            raise PermanentError(f"its part {name[:100]} unpacks to more than {max_bytes:,} bytes")
        if self._read_bytes > MAX_UNPACKED_BYTES:
            raise PermanentError(f"it unpacks to more than {MAX_UNPACKED_BYTES:,} bytes")
        return content

    def read_head(self, name: str, size: int) -> bytes:
        """Return up to `size` first bytes of a member, b"" if there is none."""
        member = self._members.get(name)
        if member is None:
            return b""
        if member.flag_bits & _ENCRYPTED:
            raise PermanentError("it is encrypted with a password")
        try:
            with self._zip.open(member) as file:
                content = file.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise PermanentError(f"it is damaged: its part {name[:100]} can't be unpacked") from error
        return content

    def xml(self, name: str) -> "_Element | None":
        """Return the root of a member that is XML, None if there is none."""
        content = self.read(name)
        return parse_xml(content, name) if content else None


def parse_xml(content: bytes, name: str) -> "_Element":
    """Parse XML without its entities, and without reading other files. Raises PermanentError if it is damaged."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PermanentError(f"it is damaged: its part {name[:100]} is not well-formed XML") from error
