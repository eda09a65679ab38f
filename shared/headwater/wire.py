"""Postgres's wire, with few round trips: an address flows in, DB-API connections for SQLAlchemy's pool flow out.

pg8000 asks and waits three times for a statement with values, as often for a commit, and reads each statement letter by
letter for its placeholders every time. Here that is once, once, and once for all. Nothing outlives its transaction:
statements stay unnamed, so a pooler may give every transaction another connection.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import pg8000
from pg8000 import core
from pg8000.dbapi import convert_paramstyle

CONNECT_TIMEOUT_S = 10.0
_SILENCE_S = 30
"""A peer that acknowledges nothing for this long is gone: an instance that slept may hold connections that are."""


class WireConnection(pg8000.Connection):  # type: ignore[misc]
    """A pg8000 connection that asks once where pg8000 asks three times; `host`, `port`, … are pg8000's own."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        try:
            super().__init__(timeout=CONNECT_TIMEOUT_S, application_name="headwater", **arguments)
        except pg8000.InterfaceError as error:
            if "unix_sock" in arguments:
                raise pg8000.InterfaceError(f"{arguments['unix_sock']}: {error.__cause__ or error}") from error
            raise
        self._usock.settimeout(None)
        if self._usock.family != socket.AF_UNIX:
            self._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for name, value in (("TCP_USER_TIMEOUT", _SILENCE_S * 1000), ("TCP_KEEPIDLE", _SILENCE_S)):
                if option := getattr(socket, name, None):
                    self._usock.setsockopt(socket.IPPROTO_TCP, option, value)

    def cursor(self) -> "WireCursor":
        """Make a cursor."""
        return WireCursor(self)

    def commit(self) -> None:
        """Commit."""
        self.execute_simple("commit")

    def rollback(self) -> None:
        """Roll back, if there is anything to."""
        if self._in_transaction:
            self.execute_simple("rollback")

    def close(self) -> None:
        """Close the connection, whether or not somebody still listens at its other end."""
        with suppress(OSError, pg8000.InterfaceError):
            super().close()

    def execute_simple(self, statement: str) -> core.Context:
        """Run statements without values."""
        with _broken_told():
            return super().execute_simple(statement)

    def execute_unnamed(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: Any = None
    ) -> core.Context:
        """Run one statement with values: all of its messages are sent before the first answer is read."""
        context = core.Context(statement, stream=stream)
        values = core.make_params(self.py_types, vals)
        with _broken_told():
            self.send_PARSE(core.NULL_BYTE, statement, oids)
            self.send_DESCRIBE_STATEMENT(core.NULL_BYTE)
            self.send_BIND(core.NULL_BYTE, values)
            self.send_EXECUTE()
            core._write(self._sock, core.SYNC_MSG)
            core._flush(self._sock)
            self.handle_messages(context)
        return context


class WireCursor(pg8000.Cursor):  # type: ignore[misc]
    """A pg8000 cursor that knows the statements it has read before."""

    def execute(self, operation: str, args: Sequence[Any] = (), stream: Any = None) -> "WireCursor":
        """Run a statement, with values for its `%s` or without; a transaction begins with the first, and not before."""
        connection = self._c
        oids: Sequence[int] = self._input_oids  # type: ignore[has-type]
        begins = not connection._in_transaction and not connection.autocommit
        try:
            if args or stream is not None:
                if begins:
                    connection.execute_simple("begin")
                context = connection.execute_unnamed(_numbered(operation), args, oids, stream)
            else:
                context = connection.execute_simple(f"begin; {operation}" if begins else operation)
        except pg8000.DatabaseError as error:
            raise _named(error) from None
        self._context = context
        self._row_iter = iter(context.rows or ())
        self._input_oids = ()
        return self


@lru_cache(maxsize=512)
def _numbered(operation: str) -> str:
    """Turn `%s` into `$1`, `$2`, …"""
    numbered: str = convert_paramstyle("format", operation, ())[0]
    return numbered


def _named(error: pg8000.DatabaseError) -> Exception:
    """Give a refusal the class that SQLAlchemy knows it by, as pg8000's own cursor does."""
    said = error.args[0]
    code = said.get("C") if isinstance(said, dict) else None
    kinds: dict[Any, type[Exception]] = {"28000": pg8000.InterfaceError, "23505": pg8000.IntegrityError}
    kind: type[Exception] = kinds.get(code, pg8000.ProgrammingError)
    return kind(said)


@contextmanager
def _broken_told() -> Iterator[None]:
    """Tell a socket that breaks the way SQLAlchemy knows it, so that the pool lets go of the connection."""
    try:
        yield
    except OSError as error:
        raise pg8000.InterfaceError(f"network error: {error}") from error
