"""Talk to an IMAP server: IMAPClient on guarded sockets, with limits of time and size for each command.

The server's answer to a command is held in memory, so it may have a limited number of bytes. A server that sends a byte
now and then is ended by the deadline of the command.
"""

import imaplib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from functions.collection.connectors.mail.config import ListedFolder, MailConfig, OAuthSecret, read_secret
from functions.collection.connectors.mail.errors import (
    AnswerTooLarge,
    ConnectionEnded,
    RefusedCommand,
    UnreadableAnswer,
    busy_pause_s,
    translated_errors,
)
from functions.collection.connectors.mail.mailbox import FolderStatus, Headers
from functions.collection.connectors.mail.messages import Message, read_headers
from functions.collection.connectors.mail.oauth import request_access_token
from functions.collection.connectors.mail.structure import read_parts
from headwater.connectors import ConnectorContext
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import within
from headwater.outbound.guarded_socket import connect_guarded, is_public
from headwater.outbound.sockets import tls_context
from headwater.redaction import Redactor, quote, redacting

CONNECT_S = 10.0
COMMAND_S = 60.0
LOGOUT_S = 2.0
MAX_ANSWER_BYTES = 32_000_000
MAX_LINE_BYTES = 4_000_000
"""The UIDs of a folder's messages are one line."""
MAX_LINES = 50_000
"""Of an answer to a command."""
MAX_FOLDERS = 2_000
MAX_DESCRIPTION_BYTES = 2_000_000
"""Of what a server says of one message: its headers and structure."""
MAX_UNREADABLE = 50
"""Messages that can't be read before the listing fails: so many are a problem of the server."""
MAX_RECONNECTS = 60
_HEADERS = "MESSAGE-ID REFERENCES IN-REPLY-TO SUBJECT DATE FROM"
_WITHOUT_STRUCTURE = ("RFC822.SIZE", "INTERNALDATE", f"BODY.PEEK[HEADER.FIELDS ({_HEADERS})]<0.16384>")
_HEADER_ITEMS = (*_WITHOUT_STRUCTURE, "BODYSTRUCTURE")

# At the level DEBUG, both log each command and answer.
logging.getLogger("imapclient").setLevel(logging.WARNING)


class _GuardedImap(imaplib.IMAP4):
    """A connection of imaplib with a guarded socket and limits."""

    def __init__(self, config: MailConfig, context: ConnectorContext, tls: ssl.SSLContext) -> None:
        self._config, self._context, self._tls = config, context, tls
        self.expect(MAX_ANSWER_BYTES)
        super().__init__(config.host, config.server_port, CONNECT_S)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        sock = connect_guarded(
            self.host,
            self.port,
            allow_private=self._context.allow_private,
            timeout_s=timeout,
            through=self._context.proxy,
        )
        try:
            if self._config.security == "none" and (self._context.proxy or is_public(sock)):
                raise SystemicError(
                    f"{self.host} has a public address, so the connection has to be encrypted. Set security to tls or "
                    "starttls."
                )
            if self._config.security == "tls":
                return self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
        return sock

    def expect(self, max_bytes: int) -> None:
        """Limit the answer to the next command."""
        self._bytes_left, self._lines_left = max_bytes, MAX_LINES

    def read(self, size: int) -> bytes:
        """Read the content of a literal."""
        self._take(size)
        content: Any = self.file.read(size)
        return bytes(content)

    def readline(self) -> bytes:
        """Read a line."""
        line: Any = self.file.readline(min(self._bytes_left, MAX_LINE_BYTES) + 1)
        self._take(len(line))
        self._lines_left -= 1
        if len(line) > MAX_LINE_BYTES:
            raise AnswerTooLarge(f"{self.host} sent a line of more than {MAX_LINE_BYTES:,} bytes.")
        return bytes(line)

    def _take(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0 or self._lines_left < 0:
            raise AnswerTooLarge(f"{self.host} sent a larger answer than it was asked for.")


class _GuardedClient(IMAPClient):  # type: ignore[misc]  # the library has no types
    def __init__(self, config: MailConfig, context: ConnectorContext, tls: ssl.SSLContext) -> None:
        self._arguments = config, context, tls
        super().__init__(config.host, config.server_port, ssl=config.security == "tls")
        self._imap.debug = 0
        self.normalise_times = False

    def _create_IMAP4(self) -> _GuardedImap:  # noqa: N802 - the library's name
        return _GuardedImap(*self._arguments)

    def _set_read_timeout(self) -> None:
        """Leave time-outs to the deadlines of commands."""
        self.socket().settimeout(COMMAND_S)


class Readable(NamedTuple):
    """What was fetched of messages, by UID, and why nothing was of others."""

    found: dict[int, dict[bytes, Any]]
    unreadable: dict[int, str]


class Session:
    """A connection to a server that is logged in. `connect` makes one; `redactor` keeps its secrets out of errors."""

    def __init__(self, connect: Callable[[], _GuardedClient], config: MailConfig, redactor: Redactor) -> None:
        self._connect = connect
        self._config = config
        self._redactor = redactor
        self._folder = ""
        self._unreadable = self._reconnects = 0
        self._client = connect()
        try:
            with self._command():
                self._has_mod_sequences = self._client.has_capability("CONDSTORE")
        except BaseException:
            _close(self._client)
            raise

    def close(self) -> None:
        """Log out."""
        _close(self._client)

    def folders(self) -> list[ListedFolder]:
        """List the folders."""
        with self._command():
            found = self._client.list_folders()
        if len(found) > MAX_FOLDERS:
            raise PermanentError(f"The mailbox has more than {MAX_FOLDERS:,} folders.")
        return [_listed_folder(*one) for one in found]

    def status(self, folder: str) -> FolderStatus:
        """Ask for a folder's status."""
        wanted = ["UIDVALIDITY", "UIDNEXT", "MESSAGES", *(["HIGHESTMODSEQ"] if self._has_mod_sequences else [])]
        with self._command():
            status = self._client.folder_status(folder, wanted)
            return FolderStatus(*(int(status.get(name.encode(), 0)) for name in wanted))

    def select(self, folder: str) -> int:
        """Select a folder to read. Returns its UIDVALIDITY."""
        self._folder = folder
        with self._command():
            return int(self._client.select_folder(folder, readonly=True).get(b"UIDVALIDITY", 0))

    def search(self, config: MailConfig) -> list[int]:
        """Return the UIDs of the selected folder's messages that are neither deleted nor drafts."""
        criteria: list[Any] = ["UNDELETED", "UNDRAFT"]
        if config.since:
            criteria += ["SINCE", config.since]
        with self._command():
            return [int(uid) for uid in self._client.search(criteria)]

    def headers(self, uids: list[int]) -> Headers:
        """Fetch what is known of messages, by UID. Those that are gone are missing.

        Servers describe some broken messages in a way that can't be read: these have no texts and files. What isn't
        known even then is unreadable, with its reason.
        """
        described, undescribed = self.fetch_readable(uids, _HEADER_ITEMS, MAX_DESCRIPTION_BYTES)
        unreadable: dict[int, str] = {}
        if undescribed:
            without, unreadable = self.fetch_readable([*undescribed], _WITHOUT_STRUCTURE, MAX_DESCRIPTION_BYTES)
            described |= without
        self._unreadable += len(unreadable)
        if self._unreadable > MAX_UNREADABLE:
            reason = next(iter(unreadable.values()))
            raise UpstreamError(f"More than {MAX_UNREADABLE} messages of {self._folder} can't be read. {reason}")
        return Headers({uid: _read_message(items) for uid, items in described.items()}, unreadable)

    def fetch_readable(self, uids: Sequence[int], items: Sequence[str], bytes_each: int) -> Readable:
        """Fetch items of messages, by UID, and find those that make the command fail. Others aren't affected."""
        try:
            max_bytes = max(bytes_each, min(MAX_ANSWER_BYTES, len(uids) * bytes_each))
            return Readable(self.fetch(uids, items, max_bytes), {})
        except (UnreadableAnswer, RefusedCommand, ConnectionEnded, AnswerTooLarge) as error:
            if isinstance(error, ConnectionEnded | AnswerTooLarge):
                self._reconnect(error)
            if len(uids) == 1:
                return Readable({}, dict.fromkeys(uids, error.message))
        half = len(uids) // 2
        first, second = (self.fetch_readable(part, items, bytes_each) for part in (uids[:half], uids[half:]))
        return Readable(first.found | second.found, first.unreadable | second.unreadable)

    def _reconnect(self, error: HeadwaterError) -> None:
        """Connect anew after an answer that has no end, or that wasn't read to it."""
        self._reconnects += 1
        if self._reconnects > MAX_RECONNECTS:
            raise error
        _close(self._client)
        self._client = self._connect()
        self.select(self._folder)

    def fetch(
        self, uids: Sequence[int], items: Sequence[str], max_bytes: int = MAX_ANSWER_BYTES
    ) -> dict[int, dict[bytes, Any]]:
        """Fetch items of messages of the selected folder, by UID. Those that are gone are missing."""
        with self._command(max_bytes):
            return {uid: dict(found) for uid, found in self._client.fetch(uids, items).items() if len(found) > 1}

    @contextmanager
    def _command(self, max_bytes: int = MAX_ANSWER_BYTES) -> Iterator[None]:
        self._client._imap.expect(max_bytes)
        with redacting(self._redactor), translated_errors(self._config), within(COMMAND_S):
            yield


@contextmanager
def open_session(config: MailConfig, secret: str | None, context: ConnectorContext) -> Iterator[Session]:
    """Connect to the server and log in. Raises SystemicError with what to do, or UpstreamError."""
    login = read_secret(secret)
    if config.security == "none" and not context.allow_private:
        raise SystemicError("Connections without encryption aren't allowed here. Set security to tls or starttls.")
    password, token = login if isinstance(login, str) else "", ""
    if isinstance(login, OAuthSecret):
        with redacting(Redactor([login.refresh_token, login.client_secret])):
            token = request_access_token(context.http(), login, allow_plain=context.allow_private)
    redactor = Redactor([password or token])
    connect = partial(_connect, config, context, redactor, password=password, token=token)
    session = Session(connect, config, redactor)
    try:
        yield session
    finally:
        session.close()


def _connect(
    config: MailConfig, context: ConnectorContext, redactor: Redactor, *, password: str, token: str
) -> _GuardedClient:
    """Connect and log in."""
    tls = tls_context()
    with redacting(redactor), translated_errors(config), within(COMMAND_S):
        client = _GuardedClient(config, context, tls)
    try:
        with redacting(redactor), translated_errors(config), within(COMMAND_S):
            if config.security == "starttls":
                client.starttls(tls)
            _log_in(client, config.user, password, token)
    except BaseException:
        _close(client)
        raise
    return client


def _close(client: _GuardedClient) -> None:
    """Log out and close the connection."""
    with suppress(Exception), within(LOGOUT_S):
        client._imap.expect(MAX_LINE_BYTES)
        client.logout()
    with suppress(OSError):
        client.shutdown()


def _log_in(client: _GuardedClient, user: str, password: str, token: str) -> None:
    try:
        if token:
            client.oauth2_login(user, token)
        elif client.has_capability("AUTH=PLAIN"):
            client.plain_login(user, password)
        elif client.has_capability("LOGINDISABLED"):
            raise SystemicError(f"{client.host} accepts passwords on encrypted connections only. Set security to tls.")
        elif not (user + password).isascii():
            raise SystemicError(f"{client.host} accepts names and passwords of ASCII characters only.")
        else:
            client.login(user, password)
    except LoginError as error:
        pause_s = busy_pause_s(error)
        if pause_s or isinstance(error.__context__, imaplib.IMAP4.abort):
            raise UpstreamError(f"{client.host} doesn't accept the login now ({quote(error)}).", pause_s) from error
        advice = (
            "Sign in again and enter the new refresh token."
            if token
            else "Check the user and password. Many providers need an app password."
        )
        raise SystemicError(f"{client.host} refuses the login ({quote(error)}). {advice}") from error


def _read_message(items: dict[bytes, Any]) -> tuple[bytes, Message]:
    """Return the id of a message, and what is known of it."""
    received, size = items.get(b"INTERNALDATE"), items.get(b"RFC822.SIZE")
    received_s, size = int(received.timestamp()) if received else 0, size if isinstance(size, int) else 0
    message_id, message = read_headers(find_section(items, "HEADER"), received_s, size)
    texts, files = read_parts(items.get(b"BODYSTRUCTURE"))
    return message_id, Message(message.date, message.subject, message.references, texts, files)


def find_section(items: dict[bytes, Any], section: str) -> bytes:
    """Return a part of a message from what was fetched, b"" if the server sent nothing for it."""
    whole = f"BODY[{section}]".encode(), f"BODY[{section}.FIELDS".encode()
    for name, value in items.items():
        if name.startswith(whole):
            return value if isinstance(value, bytes) else b"" if value is None else str(value).encode()
    return b""


def _listed_folder(flags: Sequence[Any], delimiter: bytes | None, name: str) -> ListedFolder:
    separator = delimiter.decode(errors="replace") if isinstance(delimiter, bytes) else ""
    lower = frozenset(flag.lower() for flag in flags if isinstance(flag, bytes))
    return ListedFolder(name, name.replace(separator, "/") if separator else name, lower)
