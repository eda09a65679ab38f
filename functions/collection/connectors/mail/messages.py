"""What is known of a message: its id, what it answers, its texts and attached files. Pure.

A message is known by the hash of its `Message-ID`, or else of its headers, so that it stays the same one in another
folder, and when the server numbers its messages anew.
"""

import email.errors
import email.header
import email.parser
import email.policy
import hashlib
import re
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from headwater.html.decode import python_encoding

MAX_REFERENCES = 20
MAX_SUBJECT_CHARS = 300
MAX_ENCODED_CHARS = 4_000
"""Beginning of a header with encoded words that is read: `email` takes quadratic time for them."""
_ID = re.compile(r"<([^<>\s]{1,900})>")
_REPLY = re.compile(
    r"\s*(?:re|aw|antw|sv|vs|rv|ref|odp|回复|答复)(?:\[\d{1,3}\]|\(\d{1,3}\))?\s*[:\uff1a]\s*", re.IGNORECASE
)
_FORWARD = re.compile(r"\s*(?:fwd?|wg|tr|转发)\s*[:\uff1a]\s*", re.IGNORECASE)
_MAX_PREFIXES = 20
_EARLIEST_S, _LATEST_S = 0, 4_102_444_800  # 1970 and 2100


class TextPart(msgspec.Struct, frozen=True, array_like=True):
    """A part of a message with text. `section` is its number in IMAP, `size` its bytes before it is decoded."""

    section: str
    media_type: str
    charset: str
    encoding: str
    size: int


class AttachedFile(msgspec.Struct, frozen=True, array_like=True):
    """A file in a message. `size` is that before it is decoded."""

    section: str
    name: str
    media_type: str
    encoding: str
    size: int


class Message(msgspec.Struct, frozen=True, array_like=True):
    """A message. `references` are the ids of those before it in its conversation, the one that it answers last.

    `date` has seconds since 1970, in UTC.
    """

    date: int
    subject: str = ""
    references: tuple[bytes, ...] = ()
    texts: tuple[TextPart, ...] = ()
    files: tuple[AttachedFile, ...] = ()

    @property
    def is_reply(self) -> bool:
        """Whether its subject says that it is one."""
        return bool(_REPLY.match(self.subject))

    @property
    def base_subject(self) -> str:
        """The subject without the prefixes of replies and forwarded messages.

        >>> Message(0, "AW: Re[2]: Pump 4").base_subject
        'Pump 4'
        """
        subject = self.subject
        for _ in range(_MAX_PREFIXES):
            match = _REPLY.match(subject) or _FORWARD.match(subject)
            if not match:
                break
            subject = subject[match.end() :]
        return subject.strip()


def read_headers(header: bytes, received: int, size: int) -> tuple[bytes, Message]:
    """Return the id of a message and what its headers say. `received` stands in for a missing date."""
    headers = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(header)

    def text(name: str) -> str:
        return decode_header_text(headers.get(name, ""))

    own = _ID.findall(text("message-id"))[:1] or ([text("message-id")] if text("message-id") else [])
    before = [*_ID.findall(text("references")), *_ID.findall(text("in-reply-to"))[:1]]
    kept = [one for one in dict.fromkeys(before) if one not in own]
    kept = kept[:1] + kept[1:][-(MAX_REFERENCES - 1) :]
    described = "\n".join([text("date"), text("from"), text("subject"), str(size)])
    subject = text("subject")[:MAX_SUBJECT_CHARS]
    date = _date(text("date"), received)
    return hash_id(own[0] if own else described), Message(date, subject, tuple(map(hash_id, kept)))


def hash_id(message_id: str) -> bytes:
    """Return the hash that stands for a `Message-ID`."""
    return hashlib.sha256(message_id.encode(errors="replace")).digest()[:12]


def decode_header_text(value: Any) -> str:
    """Return a header as one line of text. Of one with encoded words, the first MAX_ENCODED_CHARS are read."""
    if isinstance(value, str):
        value = value[:MAX_ENCODED_CHARS] if "=?" in value else value
    try:
        parts = email.header.decode_header(value)
    except (email.errors.HeaderParseError, ValueError, AssertionError):
        parts = [(str(value), None)]
    text = "".join(one if isinstance(one, str) else _decode_bytes(one, charset) for one, charset in parts)
    return " ".join(text.encode(errors="replace").decode().replace("\0", " ").split())


def _decode_bytes(content: bytes, charset: str | None) -> str:
    for name in (python_encoding(charset or "utf-8"), "utf-8"):
        try:
            return content.decode(name or "utf-8")
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _date(text: str, received: int) -> int:
    try:
        seconds = int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        seconds = received
    return min(max(seconds, _EARLIEST_S), _LATEST_S)
