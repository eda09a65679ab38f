"""The mail connector: each conversation is a document, and so is each document attached to one.

What is known of the mailbox is kept in the blob store, and the cursor names it, because it is too large for a cursor.
Every listing is complete: it has the documents of all messages that are in the mailbox now.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from functions.collection.connectors.mail import mailbox as mailboxes
from functions.collection.connectors.mail.compose import ComposedMessage, compose
from functions.collection.connectors.mail.config import MailConfig
from functions.collection.connectors.mail.mailbox import Mailbox
from functions.collection.connectors.mail.reader import (
    MAX_TEXT_BYTES,
    Found,
    MessageReader,
    Wanted,
    decode_file,
    wanted_file,
    wanted_texts,
)
from functions.collection.connectors.mail.threads import Documents, make_documents
from functions.collection.connectors.media_types import media_type
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from headwater.connectors import Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, UnprocessableContent

if TYPE_CHECKING:
    from functions.collection.connectors.mail.connection import Session

SLICE_S = 45.0
"""Time for one step of a listing."""
GROUP_BYTES = 8_000_000
"""Texts that are in memory at a time."""


class MailConnector(Connector[MailConfig]):
    """Reads mailboxes."""

    title = "Mailbox"
    help = (
        "Collects the conversations in a mailbox by IMAP, each with its messages, and the documents attached to them."
    )
    config_type = MailConfig
    has_dates = True
    identity = ("host", "user")
    secret = Secret(
        "Password",
        "An app password, or for Google and Microsoft a JSON object with refresh_token, client_id, client_secret and "
        "token_url.",
        required=True,
    )

    @classmethod
    def normalise(cls, config: MailConfig) -> MailConfig:
        """Check the fields."""
        return config.normalised()

    def check(self, config: MailConfig, secret: str | None) -> None:
        """Log in and look for the folders."""
        try:
            with self._session(config, secret) as session:
                folders = session.folders()
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error
        if not config.choose(folders):
            names = ", ".join(folder.path for folder in folders[:20])
            raise UnprocessableContent(f"config.folders: no folder of the mailbox matches. It has: {names}.")

    def list(self, config: MailConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """List the folders that have changed, for a while. Returns the listing, or where the next step goes on."""
        mailbox = staged_listing(self.context, cursor, Mailbox)
        if mailbox is None:
            mailbox = self._known(cursor)
            if mailbox.previous:
                self.context.blobs().delete([self._key(mailbox.previous)])
            mailbox.previous = cursor or ""
        with self._session(config, secret) as session:
            if not mailboxes.update(mailbox, session, config, time.monotonic() + SLICE_S):
                return Listing("", [], complete=False, resume=stage_listing(self.context, mailbox))
        documents = self._documents(mailbox, config)
        name = self._keep(mailbox)
        entries = [one for one in documents.entries() if self._is_in_period(one.key, documents, mailbox)]
        skipped = [*documents.skipped, *mailbox.unreadable()]
        return Listing(name, entries, skipped=skipped, cursor=name)

    def _is_in_period(self, key: str, documents: Documents, mailbox: Mailbox) -> bool:
        """Whether a backfill lists a document: by the dates of the conversation's messages, or of the attachment's."""
        period = self.context.period
        if period is None:
            return True
        attachment = documents.attachments.get(key)
        messages = (attachment.message,) if attachment else documents.threads[key].messages
        return any(period.has(datetime.fromtimestamp(mailbox.messages[one].date, UTC)) for one in messages)

    def fetch(
        self, config: MailConfig, secret: str | None, snapshot: str, entries: Sequence[Entry]
    ) -> Iterator[Fetched]:
        """Yield conversations and attached files. Messages that were moved since the listing are looked for."""
        mailbox = self._known(snapshot)
        with self._session(config, secret) as session:
            reader = MessageReader(session, mailbox, config)
            if not mailbox.folders:  # the blob is lost
                reader.refresh()
            documents = self._documents(mailbox, config)
            threads = [entry.key for entry in entries if entry.key not in documents.attachments]
            for keys in _groups(threads, documents, mailbox):
                wanted: dict[bytes, Wanted] = {}
                for key in keys:
                    wanted |= {one: wanted_texts(mailbox.messages[one]) for one in _ids(key, documents, mailbox)}
                found = reader.read(wanted)
                for key in keys:
                    yield _conversation(key, documents, mailbox, found, reader.unreadable)
            for entry in entries:
                if entry.key in documents.attachments:
                    yield self._attachment(entry.key, documents, reader)

    def _attachment(self, key: str, documents: Documents, reader: MessageReader) -> Fetched:
        from functions.collection.connectors.mail.connection import find_section

        message_id, file = documents.attachments[key]
        found = reader.read({message_id: wanted_file(file, self.context.max_file_bytes)})
        if message_id in reader.unreadable:
            return Fetched(key, None, "", error=f"The message can't be read: {reader.unreadable[message_id]}")
        if message_id not in found:
            return Fetched(key, None, "", error="The message was deleted from the mailbox.")
        content = decode_file(find_section(found[message_id], file.section), file.encoding)
        if len(content) > self.context.max_file_bytes:
            limit = f"{self.context.max_file_bytes:,}"
            return Fetched(key, None, "", error=f"The file has more than {limit} bytes (MAX_FILE_BYTES).")
        return Fetched(key, content, media_type(key, content), title=file.name)

    def _session(self, config: MailConfig, secret: str | None) -> "AbstractContextManager[Session]":
        from functions.collection.connectors.mail.connection import open_session

        return open_session(config, secret, self.context)

    def _documents(self, mailbox: Mailbox, config: MailConfig) -> Documents:
        return make_documents(mailbox.messages, attachments=config.attachments, max_bytes=self.context.max_file_bytes)

    def _keep(self, mailbox: Mailbox) -> str:
        """Store what is known of the mailbox, unless it is what was known before. Returns its name."""
        previous, mailbox.previous = mailbox.previous, ""
        name = hashlib.sha256(mailboxes.encode(mailbox)).hexdigest()[:40]
        if name != previous:
            mailbox.previous = previous
            self.context.blobs().put(self._key(name), mailboxes.encode(mailbox))
        return name

    def _known(self, name: str | None) -> Mailbox:
        content = self.context.blobs().get(self._key(name)) if name else None
        return mailboxes.decode(content) if content else Mailbox()

    def _key(self, name: str) -> str:
        return f"{self.context.file_prefix}/mailbox/{name}"


def _ids(key: str, documents: Documents, mailbox: Mailbox) -> list[bytes]:
    """Return the messages of a conversation that are in the mailbox."""
    thread = documents.threads.get(key)
    return [one for one in thread.messages if one in mailbox.messages] if thread else []


def _groups(keys: Sequence[str], documents: Documents, mailbox: Mailbox) -> Iterator[list[str]]:
    """Yield conversations in groups of about GROUP_BYTES."""
    group: list[str] = []
    size = 0
    for key in keys:
        texts = [part for one in _ids(key, documents, mailbox) for part in mailbox.messages[one].texts]
        own = sum(min(part.size, MAX_TEXT_BYTES) for part in texts)
        if group and size + own > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(key)
        size += own
    if group:
        yield group


def _conversation(
    key: str, documents: Documents, mailbox: Mailbox, found: Found, unreadable: Mapping[bytes, str]
) -> Fetched:
    from functions.collection.connectors.mail.connection import find_section

    ids = _ids(key, documents, mailbox)
    present = [one for one in ids if one in found]
    reasons = [unreadable[one] for one in ids if one in unreadable]
    if not present and reasons:
        return Fetched(key, None, "multipart/digest", error=f"The message can't be read: {reasons[0]}")
    if not present:
        return Fetched(key, None, "multipart/digest", error="The messages were deleted from the mailbox.")
    messages = [mailbox.messages[one] for one in present]
    composed = [
        ComposedMessage(
            find_section(found[one], "HEADER"),
            [(part, find_section(found[one], part.section)) for part in message.texts],
            message.files,
            documents.links.get(one, {}),
        )
        for one, message in zip(present, messages, strict=True)
    ]
    is_cut = any(part.size > MAX_TEXT_BYTES for message in messages for part in message.texts)
    warnings = [f"texts of more than {MAX_TEXT_BYTES:,} bytes are cut"] if is_cut else []
    if reasons:
        warnings.append(f"{len(reasons)} of its messages can't be read: {reasons[0]}")
    subject = messages[0].base_subject or "(no subject)"
    return Fetched(key, compose(subject, key, composed, warnings), "multipart/digest")


CONNECTOR = MailConnector
