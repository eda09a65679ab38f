"""A pg8000 DB-API connection that pipelines protocol messages, for fewer round trips.

pg8000 waits for the server three times for a statement with values, and three times for a commit; it also parses each
statement's placeholders on every call. Here each takes one round trip, placeholders are cached, and `begin` is sent
together with the transaction's first statement. Statements are unnamed and no state outlives its transaction, so a
pooler may give every transaction another connection.
"""

import re
import select
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BufferedRWPair
from traceback import walk_tb
from types import TracebackType
from typing import Any

import pg8000
from pg8000 import core
from pg8000.dbapi import convert_paramstyle

from headwater.database.arrays import BinaryValue
from headwater.errors import UnprocessableContent

CONNECT_TIMEOUT_S = 10.0
_PEER_TIMEOUT_S = 30
"""A peer that acknowledges nothing for this long is considered gone; a suspended instance may hold such connections."""


class PipelinedConnection(pg8000.Connection):  # type: ignore[misc]
    """A pg8000 connection with one round trip per statement; `arguments` are those of pg8000's constructor."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments
        self._preamble = _BEGIN
        self._connect()

    def begin_with(self, settings: str, *, snapshot: bool = False) -> None:
        """Run the statement `settings` at the beginning of the next transaction; sent with its first statement.

        With `snapshot`, the transaction reads at isolation level repeatable read.
        """
        self._preamble = _begin_with(settings, snapshot)

    def cursor(self) -> "PipelinedCursor":
        """Return a new cursor."""
        return PipelinedCursor(self)

    def commit(self) -> None:
        """Commit the transaction, if one was begun."""
        self._preamble = _BEGIN
        if self._in_transaction:
            self.execute_simple("commit")

    def rollback(self) -> None:
        """Roll back the transaction, if one was begun."""
        self._preamble = _BEGIN
        if self._in_transaction:
            self.execute_simple("rollback")

    def close(self) -> None:
        """Close the connection, even if it is broken."""
        with suppress(OSError, pg8000.InterfaceError):
            super().close()

    def execute_simple(self, statement: str) -> core.Context:
        """Run one or more statements without values."""
        with _translate_socket_errors():
            return super().execute_simple(statement)

    def execute_unnamed(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: Any = None
    ) -> core.Context:
        """Run a statement with values: send all of its messages, then read the responses."""
        context = core.Context(statement, stream=stream)
        with _translate_socket_errors():
            self._send(self._statement(statement, vals, oids))
            self._receive(context)
        return context

    def begin_and_execute(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: Any = None
    ) -> core.Context:
        """Begin a transaction and run its first statement.

        If the connection broke while idle, connect again and repeat: nothing was executed on it.
        """
        context = core.Context(statement, stream=stream)
        skipped = self._preamble.count(core.EXECUTE_MSG)
        message = self._preamble + self._statement(statement, vals, oids)
        with _translate_socket_errors():
            if self._is_broken():
                self._reconnect()
            try:
                self._send(message)
                self._receive(context, skipped)
            except (pg8000.InterfaceError, OSError):
                if context.error is not None or stream is not None:  # the server has read the statement
                    raise
                self._reconnect()
                self._send(message)
                self._receive(context, skipped)
        return context

    def handle_ERROR_RESPONSE(self, data: bytes, context: core.Context) -> None:  # noqa: N802 - pg8000's name
        """Read an error, without the fields and values that quote rows: they would get into logs."""
        super().handle_ERROR_RESPONSE(data, context)
        fields = {name: value for name, value in context.error.args[0].items() if name not in _QUOTING_FIELDS}
        if fields.get("C", "").startswith(_DATA_EXCEPTION):
            fields["M"] = _QUOTED_VALUE.sub('"…"', fields.get("M", ""))
        context.error = pg8000.DatabaseError(fields)

    def _connect(self) -> None:
        arguments = {name: value for name, value in self._arguments.items() if name not in ("unix_sock", "port")}
        try:
            opened = _open_socket(self._arguments)
            super().__init__(sock=opened, application_name="headwater", **arguments)
        except BaseException as error:
            _close_sockets(error.__traceback__, vars(self).get("_usock"), vars(self).get("_sock"))
            raise
        self._usock.settimeout(None)
        if self._usock.family != socket.AF_UNIX:
            self._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for name, value in (("TCP_USER_TIMEOUT", _PEER_TIMEOUT_S * 1000), ("TCP_KEEPIDLE", _PEER_TIMEOUT_S)):
                if option := getattr(socket, name, None):
                    self._usock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._poll = select.poll()
        self._poll.register(self._usock, select.POLLIN)

    def _reconnect(self) -> None:
        type_maps = vars(self)["pg_types"], vars(self)["py_types"]  # SQLAlchemy adds types to them
        self.close()
        try:
            self._connect()
        except pg8000.InterfaceError as error:
            raise pg8000.InterfaceError(f"network error: {error}") from error
        self.pg_types, self.py_types = type_maps

    def _is_broken(self) -> bool:
        """Return True if an idle connection has data to read, usually the server's farewell."""
        return self._usock is None or bool(self._poll.poll(0))

    def _statement(self, statement: str, vals: Sequence[Any], oids: Sequence[int]) -> bytes:
        """Encode a statement's messages with one Sync at the end; pg8000 sends one after each message."""
        formats = [isinstance(value, BinaryValue) for value in vals]
        bound = bytearray(b"\0\0" + core.H_pack(len(vals)))
        bound += b"".join(map(core.H_pack, formats))
        bound += core.H_pack(len(vals))
        for value in vals:
            encoded = value.data if isinstance(value, BinaryValue) else self._text(value)
            bound += core.i_pack(-1 if encoded is None else len(encoded))
            bound += encoded or b""
        bound += core.H_pack(0)
        parsed = _parse_message(statement, tuple(oids), self._client_encoding)
        return b"".join((parsed, _DESCRIBE, _message(core.BIND, bound), core.EXECUTE_MSG, core.SYNC_MSG))

    def _text(self, value: Any) -> bytes | None:
        try:
            [text] = core.make_params(self.py_types, [value])
        except OverflowError as error:  # pg8000 converts times to UTC, where the year may become 0 or 10000
            raise UnprocessableContent("A time is out of range. Use the years 1 to 9999, in UTC.") from error
        return None if text is None else text.encode(self._client_encoding)

    def _send(self, message: bytes) -> None:
        if self._sock is None:
            raise pg8000.InterfaceError("connection is closed")
        core._write(self._sock, message)
        core._flush(self._sock)

    def _receive(self, context: core.Context, skipped: int = 0) -> None:
        """Read responses until the server is ready; ignore the results of the first `skipped` statements."""
        code = None
        while code != core.READY_FOR_QUERY:
            code, length = core.ci_unpack(self._read(5))
            content = self._read(length - 4)
            if skipped and code in (core.DATA_ROW, core.COMMAND_COMPLETE):
                skipped -= code == core.COMMAND_COMPLETE
                continue
            self.message_types[code](content, context)
        if context.error is not None:
            raise context.error

    def _read(self, size: int) -> bytes:
        """Read so many bytes. pg8000 copies them twice more."""
        data: bytes = self._sock.read(size)
        if len(data) < size:
            raise pg8000.InterfaceError("network error")
        return data


class PipelinedCursor(pg8000.Cursor):  # type: ignore[misc]
    """A pg8000 cursor that caches parsed statements and begins transactions with their first statement."""

    def execute(self, operation: str, args: Sequence[Any] = (), stream: Any = None) -> "PipelinedCursor":
        """Run a statement, with or without values for its `%s`; the first one begins the transaction."""
        connection = self._c
        oids: Sequence[int] = self._input_oids  # type: ignore[has-type]
        begins = not connection._in_transaction and not connection.autocommit
        statement = _number_placeholders(operation) if args else operation
        try:
            if begins and ";" in operation:  # possibly several statements, which need the simple protocol
                connection.begin_and_execute("select")
                begins = False
            if begins:
                context = connection.begin_and_execute(statement, args, oids, stream)
            elif args or stream is not None:
                context = connection.execute_unnamed(statement, args, oids, stream)
            else:
                context = connection.execute_simple(statement)
        except pg8000.DatabaseError as error:
            raise _classify(error) from None
        self._context = context
        self._row_iter = iter(context.rows or ())
        self._input_oids = ()
        return self


def _open_socket(arguments: Mapping[str, Any]) -> socket.socket:
    """Connect to the server; raises InterfaceError."""
    path = arguments.get("unix_sock")
    try:
        if path is None:
            opened = socket.create_connection((arguments["host"], arguments["port"]), CONNECT_TIMEOUT_S)
        else:
            opened = socket.socket(socket.AF_UNIX)
            opened.settimeout(CONNECT_TIMEOUT_S)
            opened.connect(path)
    except OSError as error:
        place = path or f"{arguments['host']}, port {arguments['port']}"
        raise pg8000.InterfaceError(f"{place}: {error}") from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return opened


def _close_sockets(calls: TracebackType | None, *sockets: object) -> None:
    """Close sockets, and those that only the failed calls know, with their files.

    pg8000 and `ssl` leave them open if the server ends the connection before it has answered. Until the error is
    garbage, they would stay so.
    """
    known = [value for frame, _ in walk_tb(calls) for value in frame.f_locals.values()]
    for each in (*known, *sockets):
        if isinstance(each, socket.socket | BufferedRWPair):
            with suppress(OSError, ValueError):  # what has not been sent can't be
                each.close()


@lru_cache(maxsize=512)
def _number_placeholders(operation: str) -> str:
    """Replace `%s` by `$1`, `$2`, …"""
    numbered: str = convert_paramstyle("format", operation, ())[0]
    return numbered


def _message(code: bytes, content: bytes | bytearray) -> bytes:
    return b"".join((code, core.i_pack(len(content) + 4), content))


@lru_cache(maxsize=512)
def _parse_message(statement: str, oids: tuple[int, ...] = (), encoding: str = "ascii") -> bytes:
    types = b"".join(core.i_pack(0 if oid == -1 else oid) for oid in oids)
    return _message(core.PARSE, b"\0" + statement.encode(encoding) + b"\0" + core.H_pack(len(oids)) + types)


_QUOTING_FIELDS = {"D", "W", "q"}
"""Fields of an error: detail, context, internal query. The first two quote rows and lines of a COPY."""

_DATA_EXCEPTION = "22"
"""The class of SQLSTATEs whose messages quote values, such as `invalid input syntax for type uuid: "…"`."""

_QUOTED_VALUE = re.compile('".*"', re.DOTALL)

_DESCRIBE = _message(core.DESCRIBE, core.STATEMENT + b"\0")


def _messages_without_values(statement: str) -> bytes:
    bound = _message(core.BIND, b"\0\0" + core.H_pack(0) * 3)
    return b"".join((_parse_message(statement), bound, core.EXECUTE_MSG))


_BEGIN = _messages_without_values("begin")


@lru_cache(maxsize=512)
def _begin_with(settings: str, snapshot: bool) -> bytes:
    begin = _messages_without_values("begin isolation level repeatable read") if snapshot else _BEGIN
    return begin + _messages_without_values(settings)


def _classify(error: pg8000.DatabaseError) -> Exception:
    """Return the error with the class that SQLAlchemy expects for its SQLSTATE, as pg8000's own cursor does."""
    fields = error.args[0]
    code = fields.get("C") if isinstance(fields, dict) else None
    kinds: dict[Any, type[Exception]] = {"28000": pg8000.InterfaceError, "23505": pg8000.IntegrityError}
    kind: type[Exception] = kinds.get(code, pg8000.ProgrammingError)
    return kind(fields)


@contextmanager
def _translate_socket_errors() -> Iterator[None]:
    """Raise socket errors as InterfaceError, so that SQLAlchemy's pool discards the connection."""
    try:
        yield
    except OSError as error:
        raise pg8000.InterfaceError(f"network error: {error}") from error
