"""Bring what is known of a mailbox up to date: which messages are in which folder, by their UIDs (RFC 3501, 2.3.1.1).

A folder is unchanged if its UIDVALIDITY, UIDNEXT, number of messages and, where the server has it, HIGHESTMODSEQ (RFC
7162) are. In a changed one, the server tells which messages there are, and the headers of new ones are fetched. If
UIDVALIDITY has changed, those of all are; messages keep their ids, so no document changes.
"""

import time
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from functions.collection.connectors.mail.config import ListedFolder, MailConfig
from functions.collection.connectors.mail.messages import Message
from headwater.errors import PermanentError, UpstreamError

MAX_MESSAGES = 200_000
FETCH_MESSAGES = 200
"""Messages whose headers are fetched by one command."""


class FolderStatus(msgspec.Struct, frozen=True, array_like=True):
    """What tells whether a folder has changed; 0 for what the server doesn't say."""

    uid_validity: int
    uid_next: int
    messages: int
    mod_sequence: int = 0


class Headers(NamedTuple):
    """What is known of messages, each with its id, by UID; and why nothing is known of others."""

    messages: dict[int, tuple[bytes, Message]]
    unreadable: dict[int, str]


class Folder(msgspec.Struct, array_like=True):
    """A folder: its status when it was listed last, None if that isn't finished, and its messages' ids by UID.

    `unreadable` has the reasons why nothing is known of other messages, by UID. They are tried again when the folder
    has changed.
    """

    uid_validity: int
    status: FolderStatus | None = None
    uids: dict[int, bytes] = {}
    unreadable: dict[int, str] = {}


class Mailbox(msgspec.Struct, array_like=True):
    """What is known of a mailbox. `todo` are folders that are left to list, None between listings.

    `previous` names what was known before.
    """

    folders: dict[str, Folder] = {}
    messages: dict[bytes, Message] = {}
    todo: list[str] | None = None
    previous: str = ""

    def unreadable(self) -> Iterator[tuple[str, str]]:
        """Yield a key and a reason for each message that can't be read."""
        for name, folder in self.folders.items():
            for uid, reason in folder.unreadable.items():
                yield f"{name}/unreadable-{folder.uid_validity}-{uid}", f"the message can't be read: {reason}"

    def places(self) -> dict[bytes, list[tuple[str, int]]]:
        """Return the folders and UIDs of each message."""
        places: dict[bytes, list[tuple[str, int]]] = {}
        for name, folder in self.folders.items():
            for uid, message_id in folder.uids.items():
                places.setdefault(message_id, []).append((name, uid))
        return places


class MailServer(Protocol):
    """What is asked of a server (`connection.Session`)."""

    def folders(self) -> list[ListedFolder]:
        """List the folders."""

    def status(self, folder: str) -> FolderStatus:
        """Ask for a folder's status."""

    def select(self, folder: str) -> int:
        """Select a folder to read. Returns its UIDVALIDITY."""

    def search(self, config: MailConfig) -> list[int]:
        """Return the UIDs of the selected folder's messages."""

    def headers(self, uids: list[int]) -> Headers:
        """Fetch what is known of messages, by UID."""


def update(mailbox: Mailbox, server: MailServer, config: MailConfig, until: float) -> bool:
    """Go on listing until `until`. Returns True once all folders have been listed."""
    if mailbox.todo is None:
        names = config.choose(server.folders())
        if not names:
            raise PermanentError("No folder of the mailbox matches the source's settings.")
        mailbox.folders = {name: mailbox.folders.get(name) or Folder(0) for name in names}
        mailbox.todo = list(reversed(names))
    while mailbox.todo:
        if not _update_folder(mailbox, mailbox.todo[-1], server, config, until):
            return False
        mailbox.todo.pop()
    mailbox.todo = None
    present = {message_id for folder in mailbox.folders.values() for message_id in folder.uids.values()}
    mailbox.messages = {one: message for one, message in mailbox.messages.items() if one in present}
    return True


def _update_folder(mailbox: Mailbox, name: str, server: MailServer, config: MailConfig, until: float) -> bool:
    folder = mailbox.folders[name]
    status = server.status(name)
    if folder.status == status and status.uid_next:
        return True
    if folder.status is not None:
        folder.status, folder.unreadable = None, {}
    if server.select(name) != status.uid_validity:
        raise UpstreamError(f"The server has renumbered the messages of {name}. Try again later.")
    if folder.uid_validity != status.uid_validity:
        folder.uid_validity, folder.uids, folder.unreadable = status.uid_validity, {}, {}
    present = set(server.search(config))
    folder.uids = {uid: message_id for uid, message_id in folder.uids.items() if uid in present}
    folder.unreadable = {uid: reason for uid, reason in folder.unreadable.items() if uid in present}
    new = sorted(present - folder.uids.keys() - folder.unreadable.keys(), reverse=True)
    known = sum(len(one.uids) for one in mailbox.folders.values())
    if known + len(new) > MAX_MESSAGES:
        raise PermanentError(
            f"The mailbox has more than {MAX_MESSAGES:,} messages in the folders to collect. Choose fewer folders, or "
            "a later day in `since`, and add another source for the others."
        )
    for start in range(0, len(new), FETCH_MESSAGES):
        if start and time.monotonic() > until:
            return False
        found = server.headers(new[start : start + FETCH_MESSAGES])
        for uid, (message_id, message) in found.messages.items():
            folder.uids[uid] = message_id
            mailbox.messages.setdefault(message_id, message)
        folder.unreadable |= found.unreadable
        if not folder.uids and len(found.unreadable) > 1:
            reason = next(iter(found.unreadable.values()))
            raise UpstreamError(f"No message of {name} can be read. {reason}")
    folder.status = status
    return True


def encode(mailbox: Mailbox) -> bytes:
    """Return a mailbox as bytes, the same for the same messages."""
    for folder in mailbox.folders.values():
        folder.uids = dict(sorted(folder.uids.items()))
        folder.unreadable = dict(sorted(folder.unreadable.items()))
    mailbox.folders = dict(sorted(mailbox.folders.items()))
    mailbox.messages = dict(sorted(mailbox.messages.items()))
    return zlib.compress(msgspec.msgpack.encode(mailbox), 1)


def decode(content: bytes) -> Mailbox:
    """Return a mailbox that `encode` has written."""
    return msgspec.msgpack.decode(zlib.decompress(content), type=Mailbox)
