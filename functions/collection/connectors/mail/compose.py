"""Compose one file of a conversation: a `multipart/digest` of its messages (RFC 2046, 5.1.5). Pure.

Texts stay encoded as the server has sent them. A file that is a document of its own is a part without content, whose
`Content-Location` is the document's address, relative to the conversation's.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from email.header import Header
from typing import NamedTuple
from urllib.parse import quote

from functions.collection.connectors.mail.messages import AttachedFile, TextPart

MAX_HEADER_BYTES = 16_384
SHOWN_HEADERS = "FROM TO CC DATE SUBJECT MESSAGE-ID LIST-ID"
_ENCODINGS = frozenset(("7bit", "8bit", "binary", "base64", "quoted-printable"))
_SHOWN = frozenset(SHOWN_HEADERS.encode().split())
_FIELD_END = re.compile(rb"\r?\n(?![ \t])")
_UNSAFE = re.compile(r"[^\w.+-]")


class ComposedMessage(NamedTuple):
    """A message: its header fields, its texts with their content, its files, and the keys of files by section."""

    header: bytes
    texts: Sequence[tuple[TextPart, bytes]]
    files: Sequence[AttachedFile]
    links: Mapping[str, str]


def compose(subject: str, key: str, messages: Iterable[ComposedMessage], warnings: Iterable[str] = ()) -> bytes:
    """Return the file of a conversation, the same for the same messages."""
    folder = key.rpartition("/")[0]
    parts = [_message(message, folder) for message in messages]
    head = [f"Subject: {Header(subject, 'utf-8', maxlinelen=200).encode()}"]
    head += [f"X-Headwater-Warning: {Header(warning, 'utf-8').encode()}" for warning in warnings]
    return _multipart("digest", [b"Content-Type: message/rfc822\r\n\r\n" + part for part in parts], "\r\n".join(head))


def _message(message: ComposedMessage, folder: str) -> bytes:
    parts = [_text(part, content) for part, content in message.texts]
    parts += [_file(file, message.links.get(file.section), folder) for file in message.files]
    return _multipart("mixed", parts, _shown_fields(message.header).decode("latin-1"), "latin-1")


def _shown_fields(header: bytes) -> bytes:
    """Return the header fields that are shown, whatever else the server has sent. The last one may be cut."""
    fields = _FIELD_END.split(header[:MAX_HEADER_BYTES].replace(b"\0", b""))
    return b"\r\n".join(field for field in fields if field.partition(b":")[0].strip().upper() in _SHOWN)


def _multipart(kind: str, parts: Sequence[bytes], head: str, charset: str = "ascii") -> bytes:
    boundary = hashlib.sha256(b"\0".join(parts)).hexdigest()[:40].encode()
    lines = [head.encode(charset)] if head else []
    lines += [b"MIME-Version: 1.0", b'Content-Type: multipart/%s; boundary="%s"' % (kind.encode(), boundary), b""]
    for part in parts:
        lines += [b"--" + boundary, part]
    return b"\r\n".join([*lines, b"--" + boundary + b"--", b""])


def _text(part: TextPart, content: bytes) -> bytes:
    charset = _UNSAFE.sub("", part.charset) or "utf-8"
    encoding = part.encoding if part.encoding in _ENCODINGS else "8bit"
    head = f"Content-Type: {part.media_type}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + content


def _file(file: AttachedFile, key: str | None, folder: str) -> bytes:
    media_type = "/".join(_UNSAFE.sub("", part) for part in file.media_type.partition("/")[::2])
    head = [f"Content-Type: {media_type}", f"Content-Disposition: attachment; filename*={_encode(file.name)}"]
    if key is not None:
        head.append(f"Content-Location: {quote(key.removeprefix(f'{folder}/'))}")
    return "\r\n".join([*head, "", ""]).encode()


def _encode(text: str) -> str:
    """Write a parameter in UTF-8 (RFC 2231)."""
    return f"utf-8''{quote(text, safe='')}"
