"""IMAP servers that answer without end, slowly or wrongly; access tokens; addresses that are refused."""

import base64
import json
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from functions.collection.connectors.mail.connector import CONNECTOR
from headwater.connectors import ConnectorContext, Fetched, Listing, decode_config
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent, UpstreamError
from headwater.outbound.deadline import within
from headwater.redaction import Redactor, redacting
from tests.fakes.imap_server import ImapServer, imap_server
from tests.fakes.web_site import Page, web_site

TWO_MESSAGES = b"".join(
    b'* %d FETCH (UID %d RFC822.SIZE 90 INTERNALDATE "06-May-2024 09:00:00 +0000" BODYSTRUCTURE (%s) '
    b"BODY[HEADER.FIELDS (MESSAGE-ID)]<0> {%d}\r\n%s)\r\n" % (uid, uid, body, len(header), header)
    for uid, body, header in (
        (
            1,
            b'"TEXT" "PLAIN" ("CHARSET" "x-unknown") NIL NIL "8BIT" 40 2',
            b"Message-ID: <1@x>\r\nSubject: One\r\n\r\n",
        ),
        (2, b'"TEXT" "PLAIN" NIL NIL NIL "7BIT" "many" 2', b"Subject: =?x-unknown?q?Two?=\r\nDate: never\r\n\r\n"),
    )
)


def connect(server_port: int, folder: Path, **config: Any) -> tuple[Any, Any]:
    context = ConnectorContext(
        stage_prefix="staged/1",
        file_prefix="files/1",
        blob_url=folder.as_uri(),
        allow_private=config.pop("allow_private", True),
        allow_file_urls=False,
        max_file_bytes=1_000_000,
        max_batch_bytes=10_000_000,
        max_source_bytes=10_000_000,
        timeout_s=10,
    )
    config = {"host": "127.0.0.1", "port": server_port, "user": "ann", "security": "none", **config}
    return CONNECTOR(context), decode_config(CONNECTOR, config)


def list_mailbox(server: ImapServer, folder: Path, secret: str = "secret-word") -> Listing:
    connector, config = connect(server.port, folder)
    listing: Listing = connector.list(config, secret, None, frozenset())
    return listing


def send_endless_literal(server: ImapServer, connection: socket.socket) -> None:
    server.flood(connection, b"* 1 FETCH (UID 1 BODY[HEADER] {99999999999}\r\n", b"x" * 65_536)


def send_endless_lines(server: ImapServer, connection: socket.socket) -> None:
    server.flood(connection, b"", b"* OK still working\r\n" * 1_000)


def send_endless_line(server: ImapServer, connection: socket.socket) -> None:
    server.flood(connection, b"* SEARCH", b" 123456789" * 1_000)


def send_slowly(server: ImapServer, connection: socket.socket) -> None:
    server.flood(connection, b"* OK ", b".", 0.05)


@pytest.mark.parametrize(
    ("verb", "answer", "reason"),
    [
        ("FETCH", send_endless_literal, "larger answer than it was asked for"),
        ("FETCH", send_endless_lines, "larger answer than it was asked for"),
        ("SEARCH", send_endless_line, "a line of more than 4,000,000 bytes"),
        ("STATUS", send_slowly, "did not finish its answer in 1 s"),
    ],
)
def test_answers_without_end_are_cut(
    verb: str, answer: Callable[[ImapServer, socket.socket], None], reason: str, tmp_path: Path
) -> None:
    with imap_server() as server:
        server.answers[verb] = partial(answer, server)
        began = time.monotonic()
        with pytest.raises(HeadwaterError, match=reason), within(1.0 if answer is send_slowly else 30.0):
            list_mailbox(server, tmp_path)
        assert server.sent_bytes < 60_000_000
        assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("FETCH", b"* 1 FETCH (UID 1 BODYSTRUCTURE " + b"(" * 50_000 + b")" * 50_000 + b")\r\n"),
        ("FETCH", b"* 1 FETCH (UID x)\r\n"),
        ("FETCH", b"* 1 FETCH (UID\r\n"),
        ("SEARCH", b"* SEARCH one two\r\n"),
        ("STATUS", b"* STATUS INBOX (UIDVALIDITY many)\r\n"),
        ("LIST", b"nonsense\r\n"),
        ("LIST", b"\x00\xff\r\n"),
        ("EXAMINE", b"* BYE too tired\r\n"),
    ],
)
def test_answers_that_are_not_imap_are_reported(verb: str, answer: bytes, tmp_path: Path) -> None:
    with imap_server(**{verb: answer}) as server, pytest.raises(UpstreamError, match=r"127\.0\.0\.1"):
        list_mailbox(server, tmp_path)


def test_odd_messages_are_collected(tmp_path: Path) -> None:
    with imap_server(FETCH=TWO_MESSAGES) as server:
        listing = list_mailbox(server, tmp_path)
        keys = [entry.key.rpartition("-")[0] for entry in listing.entries]
        assert sorted(keys) == ["2024/05/one", "2024/05/two"]
        server.answers["FETCH"] = b"".join(
            b'* %d FETCH (UID %d BODY[HEADER.FIELDS ("FROM")]<0> {9}\r\nFrom: a\r\n BODY[1]<0> {3}\r\nna\xef)\r\n'
            % (n, n)
            for n in (1, 2)
        )
        connector, config = connect(server.port, tmp_path)
        fetched: list[Fetched] = list(connector.fetch(config, "secret-word", listing.snapshot, listing.entries))
        assert [b"na\xef" in (file.content or b"") for file in fetched] == [True, True]


def test_message_that_the_server_describes_badly_spoils_no_other(tmp_path: Path) -> None:
    with imap_server() as server:

        def answer(connection: socket.socket) -> None:
            command = server.commands[-1]
            lines = TWO_MESSAGES.splitlines(keepends=True)
            bad = TWO_MESSAGES.replace(b'"many"', b"(")
            both = bad if "BODYSTRUCTURE" in command else TWO_MESSAGES
            first_only = b"".join(lines[: len(lines) // 2])
            connection.sendall(first_only if " 1 (" in command else both)

        server.answers["FETCH"] = answer
        listing = list_mailbox(server, tmp_path)
        assert len(listing.entries) == 2
        assert sum("FETCH" in command for command in server.commands) == 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"* 2 FETCH (UID 2 BODYSTRUCTURE (\r\n", "is not valid IMAP"),
        (b"* 2 FETCH (UID 2 BODYSTRUCTURE (" + b'("TEXT" "PLAIN")' * 300_000 + b"))\r\n", "larger answer than it was"),
    ],
    ids=["unreadable", "too large"],
)
def test_message_that_cannot_be_described_is_skipped_with_its_reason(
    answer: bytes, reason: str, tmp_path: Path
) -> None:
    first = TWO_MESSAGES.partition(b"* 2 FETCH")[0]
    with imap_server() as server:

        def send(connection: socket.socket) -> None:
            command = server.commands[-1]
            connection.sendall(
                (first if "1" in command.split()[2].split(",") else b"")
                + (answer if "2" in command.split()[2] else b"")
            )

        server.answers["FETCH"] = send
        listing = list_mailbox(server, tmp_path)
        assert [entry.key.rpartition("-")[0] for entry in listing.entries] == ["2024/05/one"]
        [(key, told)] = listing.skipped
        assert key == "INBOX/unreadable-1-2"
        assert reason in told
        server.commands.clear()
        connector, config = connect(server.port, tmp_path)
        again = connector.list(config, "secret-word", listing.cursor, frozenset())
        assert (again.entries, again.skipped) == (listing.entries, listing.skipped)
        assert not any("FETCH" in command for command in server.commands)
        server.answers |= {"STATUS": b"* STATUS INBOX (UIDVALIDITY 1 UIDNEXT 4 MESSAGES 2)\r\n", "FETCH": TWO_MESSAGES}
        mended = connector.list(config, "secret-word", listing.cursor, frozenset())
        assert (len(mended.entries), mended.skipped) == (2, [])


@pytest.mark.parametrize(
    ("reply", "error", "pause_s"),
    [
        ("NO [AUTHENTICATIONFAILED] no", SystemicError, None),
        ("NO [UNAVAILABLE] later", UpstreamError, 60.0),
        ("NO Too many simultaneous connections", UpstreamError, 60.0),
    ],
)
def test_refused_logins_are_told_apart(reply: str, error: type[Any], pause_s: float | None, tmp_path: Path) -> None:
    with imap_server() as server:
        server.tagged["AUTHENTICATE"] = reply
        with pytest.raises(error) as caught:
            list_mailbox(server, tmp_path)
        assert getattr(caught.value, "retry_after_s", None) == pause_s


def test_server_that_repeats_the_password_does_not_reveal_it(tmp_path: Path) -> None:
    with imap_server() as server, redacting(Redactor(["secret-word"])):
        server.tagged["AUTHENTICATE"] = "NO secret-word AGFubgBzZWNyZXQtd29yZA=="
        with pytest.raises(SystemicError) as caught:
            list_mailbox(server, tmp_path)
    assert "secret" not in caught.value.message.replace("[secret]", "")
    assert "AGFubgBzZWNyZXQtd29yZA" not in caught.value.message


def test_access_token_is_requested_and_used(tmp_path: Path) -> None:
    with web_site() as site, imap_server() as server:
        secret = {"refresh_token": "refresh-1234", "client_id": "app", "token_url": f"{site.origin}/token"}
        site.pages["/token"] = Page('{"access_token": "access-5678"}', "application/json")
        connector, config = connect(server.port, tmp_path)
        connector.check(config, json.dumps(secret))
        logins = [command for command in server.commands if "AUTHENTICATE" in command.upper()]
        sent = base64.b64decode(server.commands[server.commands.index(logins[0]) + 1])
        assert sent == b"user=ann\x01auth=Bearer access-5678\x01\x01"
        site.pages["/token"] = Page('{"error": "invalid_grant"}', "application/json", status=400)
        with pytest.raises(UnprocessableContent, match=r"gave no access token \(invalid_grant\)\. Sign in again"):
            connector.check(config, json.dumps(secret))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::1", "::ffff:127.0.0.1", "127.0.0.1."]
)
def test_internal_addresses_see_no_connection(host: str, tmp_path: Path) -> None:
    with imap_server() as server:
        connector, config = connect(server.port, tmp_path, host=host, security="tls", allow_private=False)
        with pytest.raises(UnprocessableContent):
            connector.check(config, "secret-word")
        assert server.commands == []


def test_connections_without_encryption_are_refused(tmp_path: Path) -> None:
    with imap_server() as server:
        connector, config = connect(server.port, tmp_path, allow_private=False)
        with pytest.raises(UnprocessableContent, match="Connections without encryption aren't allowed here"):
            connector.check(config, "secret-word")
        connector, config = connect(server.port, tmp_path, security="starttls")
        with pytest.raises(UnprocessableContent, match="doesn't support STARTTLS"):
            connector.check(config, "secret-word")
        assert not any("AUTHENTICATE" in command for command in server.commands)


def test_oversized_listing_is_refused(tmp_path: Path) -> None:
    folders = b"".join(b'* LIST () "/" folder%d\r\n' % n for n in range(2_001))
    with imap_server(LIST=folders) as server, pytest.raises(PermanentError, match="more than 2,000 folders"):
        list_mailbox(server, tmp_path)
