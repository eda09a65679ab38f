"""Postgres's wire, with few round trips: an address flows in, DB-API connections for SQLAlchemy's pool flow out.

pg8000 asks and waits three times for a statement with values, as often for a commit, and reads each statement letter by
letter for its placeholders every time. Here that is once, once, and once for all; and a transaction begins with its
first statement, in the same breath. Nothing outlives its transaction: statements stay unnamed, so a pooler may give
every transaction another connection.
"""

import select
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


class PipelinedConnection(pg8000.Connection):  # type: ignore[misc]
    """A pg8000 connection that asks once where pg8000 asks three times; `host`, `port`, … are pg8000's own."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._opening = _BEGIN
        self._connect()

    def begin_with(self, settings: str) -> None:
        """Have the next transaction begin with a statement that sets something up; neither is sent before its first."""
        self._opening = _opening(settings)

    def cursor(self) -> "PipelinedCursor":
        """Make a cursor."""
        return PipelinedCursor(self)

    def commit(self) -> None:
        """Commit, if there is anything to."""
        self._opening = _BEGIN
        if self._in_transaction:
            self.execute_simple("commit")

    def rollback(self) -> None:
        """Roll back, if there is anything to."""
        self._opening = _BEGIN
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
        with _broken_told():
            self._say(self._statement(statement, vals, oids))
            self._hear(context)
        return context

    def execute_first(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: Any = None
    ) -> core.Context:
        """Begin a transaction and run its first statement.

        If the connection broke while it lay idle, which this finds out, it is made anew: nothing was done on it.
        """
        context = core.Context(statement, stream=stream)
        ahead = self._opening.count(core.EXECUTE_MSG)
        message = self._opening + self._statement(statement, vals, oids)
        with _broken_told():
            if self._has_ended():
                self._connect_again()
            try:
                self._say(message)
                self._hear(context, ahead)
            except (pg8000.InterfaceError, OSError):
                if context.error is not None or stream is not None:  # the server has heard and said why it ends
                    raise
                self._connect_again()
                self._say(message)
                self._hear(context, ahead)
        return context

    def _connect(self) -> None:
        try:
            super().__init__(timeout=CONNECT_TIMEOUT_S, application_name="headwater", **self._arguments)
        except pg8000.InterfaceError as error:
            if "unix_sock" in self._arguments:
                raise pg8000.InterfaceError(f"{self._arguments['unix_sock']}: {error.__cause__ or error}") from error
            raise
        self._usock.settimeout(None)
        if self._usock.family != socket.AF_UNIX:
            self._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for name, value in (("TCP_USER_TIMEOUT", _SILENCE_S * 1000), ("TCP_KEEPIDLE", _SILENCE_S)):
                if option := getattr(socket, name, None):
                    self._usock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._ear = select.poll()
        self._ear.register(self._usock, select.POLLIN)

    def _connect_again(self) -> None:
        kept = vars(self)["pg_types"], vars(self)["py_types"]  # SQLAlchemy has added to them
        self.close()
        try:
            self._connect()
        except pg8000.InterfaceError as error:
            raise pg8000.InterfaceError(f"network error: {error}") from error
        self.pg_types, self.py_types = kept

    def _has_ended(self) -> bool:
        """Tell whether there is something to be heard although nothing was asked: a farewell, as a rule."""
        return self._usock is None or bool(self._ear.poll(0))

    def _statement(self, statement: str, vals: Sequence[Any], oids: Sequence[int]) -> bytes:
        """Put a statement's messages together; pg8000 would have the server answer each by itself."""
        bound = bytearray(b"\0\0" + core.H_pack(0) + core.H_pack(len(vals)))
        for value in core.make_params(self.py_types, vals):
            if value is None:
                bound += core.i_pack(-1)
            else:
                encoded = value.encode(self._client_encoding)
                bound += core.i_pack(len(encoded))
                bound += encoded
        bound += core.H_pack(0)
        parsed = _parsed(statement, tuple(oids), self._client_encoding)
        return b"".join((parsed, _DESCRIBE, _message(core.BIND, bound), core.EXECUTE_MSG, core.SYNC_MSG))

    def _say(self, message: bytes) -> None:
        if self._sock is None:
            raise pg8000.InterfaceError("connection is closed")
        core._write(self._sock, message)
        core._flush(self._sock)

    def _hear(self, context: core.Context, ahead: int = 0) -> None:
        """Read the answers up to the last; what the first `ahead` statements return is nobody's business."""
        code = None
        while code != core.READY_FOR_QUERY:
            code, length = core.ci_unpack(core._read(self._sock, 5))
            said = core._read(self._sock, length - 4)
            if ahead and code in (core.DATA_ROW, core.COMMAND_COMPLETE):
                ahead -= code == core.COMMAND_COMPLETE
                continue
            self.message_types[code](said, context)
        if context.error is not None:
            raise context.error


class PipelinedCursor(pg8000.Cursor):  # type: ignore[misc]
    """A pg8000 cursor that knows the statements it has read before."""

    def execute(self, operation: str, args: Sequence[Any] = (), stream: Any = None) -> "PipelinedCursor":
        """Run a statement, with values for its `%s` or without; a transaction begins with the first, and not before."""
        connection = self._c
        oids: Sequence[int] = self._input_oids  # type: ignore[has-type]
        begins = not connection._in_transaction and not connection.autocommit
        statement = _numbered(operation) if args else operation
        try:
            if begins and ";" in operation:  # may be several, which have to be sent in another way
                connection.execute_first("select")
                begins = False
            if begins:
                context = connection.execute_first(statement, args, oids, stream)
            elif args or stream is not None:
                context = connection.execute_unnamed(statement, args, oids, stream)
            else:
                context = connection.execute_simple(statement)
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


def _message(code: bytes, content: bytes | bytearray) -> bytes:
    return b"".join((code, core.i_pack(len(content) + 4), content))


@lru_cache(maxsize=512)
def _parsed(statement: str, oids: tuple[int, ...] = (), encoding: str = "ascii") -> bytes:
    types = b"".join(core.i_pack(0 if oid == -1 else oid) for oid in oids)
    return _message(core.PARSE, b"\0" + statement.encode(encoding) + b"\0" + core.H_pack(len(oids)) + types)


_DESCRIBE = _message(core.DESCRIBE, core.STATEMENT + b"\0")


def _without_values(statement: str) -> bytes:
    bound = _message(core.BIND, b"\0\0" + core.H_pack(0) * 3)
    return b"".join((_parsed(statement), bound, core.EXECUTE_MSG))


_BEGIN = _without_values("begin")


@lru_cache(maxsize=512)
def _opening(settings: str) -> bytes:
    return _BEGIN + _without_values(settings)


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
