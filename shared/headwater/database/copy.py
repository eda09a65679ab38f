r"""Bulk inserts with COPY, by way of temporary tables.

Postgres doesn't allow `COPY` into tables with row-level security. Rows are copied into a temporary table; the caller
then moves them with one `insert … select`, under the table's policy. This is several times faster than rows as JSON,
and safe behind a transaction-mode pooler, since the temporary table is dropped at commit.

Source of the binary format: PostgreSQL's manual, COPY, "Binary Format"; of arrays: its `array_recv`.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any

from sqlalchemy.engine import Connection

BLOCK_BYTES = 262_144
"""Approximate size of a block of rows; memory use is one block for any number of rows."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
_EMPTY_ARRAY_BYTES = 12
_INTEGER_TYPE, _TEXT_TYPE = 23, 25
_columns = Struct(">h").pack
_length = Struct(">i").pack
_integer = Struct(">ii").pack
_empty_array = Struct(">iiii").pack
_array = Struct(">iiiiii").pack


def copy_rows(tx: Connection, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Create the temporary table `table` with `columns` (as in `create table`) and copy rows into it.

    Values are None, text, numbers of type `integer`, UUIDs, bytes, or sequences of text or of such numbers; an empty
    sequence is one of text. Bytes are a `bytea`, or any other type's value in its binary format.
    """
    tx.exec_driver_sql(f"create temporary table {table} ({columns}) on commit drop")
    copied = {"copy_from": encode_blocks(rows)}
    tx.exec_driver_sql(f"copy {table} from stdin (format binary)", execution_options=copied)


def encode_blocks(rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Encode rows in COPY's binary format, in blocks."""
    parts = [HEADER]
    size = 0
    for row in rows:
        parts.append(_columns(len(row)))
        for value in row:
            field = _ENCODERS[type(value)](value)
            parts.append(field)
            size += len(field)
        if size > BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join([*parts, TRAILER])


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode())


def _sequence(values: Sequence[str] | Sequence[int]) -> bytes:
    """Encode a one-dimensional array, numbered from 1: its dimensions, no nulls, its type, its length, its items."""
    if not values:
        return _empty_array(_EMPTY_ARRAY_BYTES, 0, 0, _TEXT_TYPE)
    kind = _TEXT_TYPE if type(values[0]) is str else _INTEGER_TYPE
    items = b"".join([_ENCODERS[type(value)](value) for value in values])
    return _array(len(items) + 20, 1, 0, kind, len(values), 1) + items


_ENCODERS: Mapping[type, Callable[[Any], bytes]] = {
    type(None): lambda _: _NULL,
    str: _text,
    bytes: _bytes,
    int: lambda value: _integer(4, value),
    uuid.UUID: lambda value: _bytes(value.bytes),
    tuple: _sequence,
    list: _sequence,
}
