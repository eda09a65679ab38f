"""Errors of the driver: they quote no row, and a server that breaks off while connecting leaves no socket open."""

import os
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pg8000
import pytest
import sqlalchemy as sa

from headwater.database.pg8000_pipeline import PipelinedConnection
from headwater.database.transactions import Database, owner_transaction
from headwater.errors import HeadwaterError
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, add_workspace

pytestmark = pytest.mark.direct

SECRET = "treasure-4711"
Serve = Callable[[socket.socket], object]


def reset(client: socket.socket) -> None:
    """Close a connection so that the client gets ECONNRESET."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answer(*parts: bytes, ending: Serve = lambda _: None) -> Serve:
    """Return a server that reads a message and sends a part, for each part."""

    def serve(client: socket.socket) -> None:
        for part in parts:
            client.recv(65_536)
            client.sendall(part)
        ending(client)

    return serve


ERROR = b"SFATAL\0C53300\0Mtoo many connections\0\0"
BROKEN: dict[str, Serve] = {
    "reset at once": reset,
    "closed at once": answer(),
    "reset after the request for TLS": answer(b"", ending=reset),
    "not an answer": answer(b"\xff"),
    "TLS, then closed": answer(b"S"),
    "TLS, then reset": answer(b"S", ending=reset),
    "TLS, then no handshake": answer(b"S", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "no TLS, then reset": answer(b"N", ending=reset),
    "no TLS, then closed": answer(b"N"),
    "no TLS, then an unknown message": answer(b"N", b"!\0\0\0\x08abcd"),
    "no TLS, then an error": answer(b"N", b"E" + struct.pack("!i", len(ERROR) + 4) + ERROR),
    "no TLS, then half a message": answer(b"N", b"R\0\0"),
}


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """Serve one connection. Yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            client, _ = listener.accept()
            with client, suppress(OSError):
                serve(client)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(30)


def open_sockets() -> set[str]:
    """Return the inodes of this process's sockets. Garbage of other tests may be closed at any time."""
    links = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor that lists the folder
            links.add(os.readlink(f"/proc/self/fd/{number}"))
    return {link for link in links if link.startswith("socket:")}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads open files in /proc")
@pytest.mark.parametrize("tls", ["prefer", "require"])
@pytest.mark.parametrize("failure", BROKEN)
def test_failed_connection_leaves_no_socket_open(failure: str, tls: str) -> None:
    context = None if tls == "prefer" else ssl.create_default_context()
    before = open_sockets()
    with serving(BROKEN[failure]) as port:
        arguments = {"user": "app", "password": "pw", "host": "127.0.0.1", "port": port, "ssl_context": context}
        # The error holds all frames, so a socket that was not closed is still open.
        with pytest.raises(Exception) as caught:  # noqa: PT011 - pg8000 has many
            PipelinedConnection(arguments)
    assert caught.value.__traceback__ is not None
    assert open_sockets() <= before


def test_unreachable_server_is_named(free_port: Callable[[], int]) -> None:
    port = free_port()
    arguments = {"user": "app", "host": "127.0.0.1", "port": port, "ssl_context": False}
    with pytest.raises(pg8000.InterfaceError, match=f"127.0.0.1, port {port}: .*refused"):
        PipelinedConnection(arguments)


FAILING = {
    "unique": "insert into members (workspace_id, subject, role) select :w, :s, 'owner' from generate_series(1, 2)",
    "check": "insert into members (workspace_id, subject, role) values (:w, 's', :s)",
    "not null": "insert into members (workspace_id, subject, role, name) values (:w, 's', null, :s)",
    "foreign key": "insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, "
    "input_hash, token_count, lexemes) values (:w, gen_random_uuid(), 0, 0, 1, array[:s], '', 1, to_tsvector(:s))",
    "uuid": "select cast(cast(:s as text) as uuid), :w",
    "integer": "select cast(cast(:s as text) as integer), :w",
    "JSON": "select cast('{\"' || :s as json), :w",
    "time": "select cast(cast(:s as text) as timestamptz), :w",
    "row-level security": "insert into members (workspace_id, subject, role) values (gen_random_uuid(), :s, 'owner')",
    "function": "select set_config('statement_timeout', :s, true), :w",
    "COPY": "copy",
}


@pytest.mark.parametrize("name", FAILING)
def test_errors_quote_no_values(db: Database, name: str) -> None:
    copy = sa.text("copy members (workspace_id, subject, role) from stdin").execution_options(
        copy_from=[f"{WORKSPACE}\t{SECRET}\t{SECRET}\n".encode()]
    )
    statement = copy if name == "COPY" else sa.text(FAILING[name])
    with pytest.raises((sa.exc.DBAPIError, HeadwaterError)) as caught, db.transaction(WORKSPACE) as tx:
        tx.execute(statement, {} if name == "COPY" else {"w": WORKSPACE, "s": SECRET})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_errors_keep_the_message_and_the_constraint(db: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught, db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(FAILING["check"]), {"w": WORKSPACE, "s": SECRET})
    assert caught.value.orig is not None
    fields = caught.value.orig.args[0]
    assert (fields["C"], fields["n"]) == ("23514", "ck_members_role")
    assert "violates check constraint" in fields["M"]


@pytest.fixture
def db(module_database: FreshDatabase) -> Iterator[Database]:
    with connected(module_database.url, 1) as db:
        add_workspace(db)
        yield db
    with owner_transaction(module_database.admin_url) as tx:
        tx.execute(sa.text("delete from workspaces"))
