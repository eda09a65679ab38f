"""Take the attached documents out of a delivered message. The message is read in a process of its own.

The header field `X-Headwater-Attachment` names each of them in the stored message, so that the parser links to it.
"""

import email.message
import email.parser
import email.policy
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from posixpath import splitext
from urllib.parse import quote

import msgspec

from functions.collection.connectors.mail.structure import file_name
from functions.collection.connectors.mail.threads import READ_SUFFIXES
from headwater import logs
from headwater.config import minimal_environment
from headwater.errors import HeadwaterError
from headwater.processes.child import limit_memory
from headwater.processes.process import ChildProcess

MAX_FILES = 100
MAX_PARTS = 500
READ_CPU_S, READ_S = 10.0, 30.0
MEMORY_BYTES = 512 * 1024**2
_NAMED = re.compile(rb"name\*?\d{0,3}\*?[ \t]*=", re.IGNORECASE)
_FIELD = "X-Headwater-Attachment"


class AttachedDocument(msgspec.Struct, frozen=True):
    """An attached file. `part` is its number among the parts that have no parts themselves, from 0."""

    part: int
    name: str
    content: bytes


class AttachmentReader:
    """Reads one message. Runs in a process of its own."""

    def __init__(self) -> None:
        limit_memory(MEMORY_BYTES)

    def read(self, message: bytes) -> Iterator[AttachedDocument]:
        """Yield the attached documents. Their names differ; pictures and other files are left out."""
        parsed = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(message)
        leaves = (part for part in parsed.walk() if not part.is_multipart())
        names: set[str] = set()
        for number, part in enumerate(islice(leaves, MAX_PARTS)):
            name = file_name(_declared_name(part))
            stem, suffix = splitext(name)
            content = part.get_payload(decode=True)
            if suffix.lower() not in READ_SUFFIXES or not isinstance(content, bytes) or not content:
                continue
            while name.casefold() in names:
                stem = f"{stem}-{number}"
                name = f"{stem}{suffix}"
            names.add(name.casefold())
            yield AttachedDocument(number, name, content)


def read_attachments(message: bytes) -> Sequence[AttachedDocument]:
    """Return the attached documents of a message; none of one that can't be read, which is logged."""
    if not _NAMED.search(message):
        return ()
    target = "functions.collection.webhooks.attachments:AttachmentReader"
    limits = {"timeout_s": READ_S, "cpu_s": READ_CPU_S, "max_bytes": 2 * len(message) + 10_000}
    with ChildProcess(target, (), name="The reader of mail", environment=minimal_environment()) as reader:
        try:
            found = reader.stream("read", message, kind=AttachedDocument, **limits)  # type: ignore[arg-type]
            return list(islice(found, MAX_FILES))
        except HeadwaterError as error:
            logs.event("webhook.attachments_unread", severity=30, error=error)
            return ()


def with_links(message: bytes, path: str, attached: Sequence[AttachedDocument]) -> bytes:
    """Return the message as it is stored at `path`: with a header field for each document, which is in a folder."""
    fields = (f"{_FIELD}: {one.part}; {quote(link_target(path, one.name))}\r\n" for one in attached)
    return "".join(fields).encode() + message


def attachment_path(path: str, name: str) -> str:
    """Return where an attached file of the message at `path` is stored.

    >>> attachment_path("mail/2024/05/pump-4.eml", "parts.pdf")
    'mail/2024/05/pump-4/parts.pdf'
    """
    return f"{path.removesuffix('.eml')}/{name}"


def link_target(path: str, name: str) -> str:
    """Return an attached file's address relative to the message at `path`."""
    return attachment_path(path, name)[path.rfind("/") + 1 :]


def _declared_name(part: "email.message.Message[str, str]") -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, IndexError, AttributeError, TypeError):  # faults of `email` with odd headers
        return ""
