"""Fetch parts of messages, wherever they are by now."""

import base64
import binascii
import quopri
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from functions.collection.connectors.mail.compose import MAX_HEADER_BYTES, SHOWN_HEADERS
from functions.collection.connectors.mail.config import MailConfig
from functions.collection.connectors.mail.mailbox import Mailbox, update
from functions.collection.connectors.mail.messages import AttachedFile, Message
from headwater.errors import UpstreamError

if TYPE_CHECKING:
    from functions.collection.connectors.mail.connection import Session

REFRESH_S = 300.0
"""Time to list what has changed since the listing, or everything if what was known is lost."""
MAX_TEXT_BYTES = 200_000
"""Of a part with text, before it is decoded; longer ones are cut."""
MAX_COMMAND_BYTES = 24_000_000
_OVERHEAD_BYTES = 4_000
"""Names of items, and what a server may tell in between."""

Found = dict[bytes, dict[bytes, Any]]
"""What was fetched, by id of the message."""


class Wanted(NamedTuple):
    """What is fetched of a message: the items of a command, and the most bytes of their content."""

    items: tuple[str, ...]
    max_bytes: int


def wanted_texts(message: Message) -> Wanted:
    """Want the headers that are shown and the texts of a message."""
    header = f"BODY.PEEK[HEADER.FIELDS ({SHOWN_HEADERS})]<0.{MAX_HEADER_BYTES}>"
    texts = tuple(f"BODY.PEEK[{part.section}]<0.{MAX_TEXT_BYTES}>" for part in message.texts)
    return Wanted((header, *texts), MAX_HEADER_BYTES + len(texts) * MAX_TEXT_BYTES)


def wanted_file(file: AttachedFile, max_bytes: int) -> Wanted:
    """Want an attached file of at most `max_bytes` once it is decoded. Declared sizes may be wrong."""
    encoded_bytes = max_bytes * 3 // 2 + 1_000  # base64 with line breaks
    return Wanted((f"BODY.PEEK[{file.section}]<0.{encoded_bytes}>",), encoded_bytes)


class MessageReader:
    """Fetches parts of the messages of a mailbox. `unreadable` has why the server doesn't send some, by id."""

    def __init__(self, session: "Session", mailbox: Mailbox, config: MailConfig) -> None:
        self._session = session
        self._mailbox = mailbox
        self._config = config
        self._places = mailbox.places()
        self.unreadable: dict[bytes, str] = {}
        self._is_fresh = False
        self._selected = ""
        self._is_current = False

    def refresh(self) -> None:
        """List what has changed in the mailbox."""
        if not update(self._mailbox, self._session, self._config, time.monotonic() + REFRESH_S):
            raise UpstreamError(f"Listing the mailbox took longer than {REFRESH_S:g} s. Collect again.")
        self._places = self._mailbox.places()
        self._is_fresh = True
        self._selected = ""

    def read(self, wanted: Mapping[bytes, Wanted]) -> Found:
        """Fetch parts of messages, by id. Those that were deleted, or can't be read, are missing."""
        found = self._read(wanted)
        missing = {one: parts for one, parts in wanted.items() if one not in found and one not in self.unreadable}
        if missing and not self._is_fresh:
            self.refresh()
            found |= self._read(missing)
        if any(one in self._places and one not in found and one not in self.unreadable for one in missing):
            raise UpstreamError("Messages were moved while they were collected. Try again later.")
        return found

    def _read(self, wanted: Mapping[bytes, Wanted]) -> Found:
        by_place: dict[tuple[str, Wanted], dict[int, bytes]] = {}
        for one, parts in wanted.items():
            for folder, uid in self._places.get(one, ())[:1]:
                by_place.setdefault((folder, parts), {})[uid] = one
        found: Found = {}
        for (folder, parts), uids in sorted(by_place.items(), key=lambda place: place[0][0]):
            if folder != self._selected:
                self._selected = folder
                self._is_current = self._session.select(folder) == self._mailbox.folders[folder].uid_validity
            if self._is_current:  # else the UIDs are those of other messages
                for chunk in _chunks(sorted(uids), parts):
                    answer = self._session.fetch_readable(chunk, parts.items, parts.max_bytes + _OVERHEAD_BYTES)
                    found |= {uids[uid]: items for uid, items in answer.found.items()}
                    self.unreadable |= {uids[uid]: reason for uid, reason in answer.unreadable.items()}
        return found


def _chunks(uids: Sequence[int], parts: Wanted) -> Iterator[Sequence[int]]:
    size = max(1, MAX_COMMAND_BYTES // parts.max_bytes)
    return (uids[start : start + size] for start in range(0, len(uids), size))


def decode_file(content: bytes, encoding: str) -> bytes:
    """Decode a file by its `Content-Transfer-Encoding`. What is not valid base64 at its end is left out."""
    if encoding == "quoted-printable":
        return quopri.decodestring(content)
    if encoding != "base64":
        return content
    letters = content.translate(None, b" \t\r\n")
    try:
        return base64.b64decode(letters[: len(letters) // 4 * 4], validate=False)
    except (binascii.Error, ValueError):
        return b""
