"""Arrays as values of a statement, in Postgres's binary format.

`select unnest(…)` turns arrays of equal length, one for each column, into rows. That is the cheapest way to insert
hundreds of rows: Postgres parses no JSON, and needs no temporary table, for which it creates files.

Source of the format: Postgres's `array_recv`.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple
from uuid import UUID


class BinaryValue(NamedTuple):
    """A statement's value in the binary format of its type, for `pg8000_pipeline`."""

    data: bytes


_BYTEA, _INTEGER, _TEXT, _UUID = 17, 23, 25, 2950
EXTENSION_TYPE = 0
"""Stands for a type of an extension, whose OID differs between databases: Postgres takes that of the cast, since 14."""

_NULL = b"\xff\xff\xff\xff"
_header = Struct(">iiIii").pack
_length = Struct(">i").pack
_integer = Struct(">ii").pack


def integers(values: Iterable[int | None]) -> BinaryValue:
    """Encode an `integer[]`."""
    return _array(_INTEGER, [_NULL if value is None else _integer(4, value) for value in values])


def texts(values: Iterable[str | None]) -> BinaryValue:
    """Encode a `text[]`."""
    return elements(_TEXT, (None if value is None else value.encode() for value in values))


def uuids(values: Iterable[UUID]) -> BinaryValue:
    """Encode a `uuid[]`."""
    return elements(_UUID, (value.bytes for value in values))


def byte_strings(values: Iterable[bytes]) -> BinaryValue:
    """Encode a `bytea[]`."""
    return elements(_BYTEA, values)


def elements(type_oid: int, values: Iterable[bytes | None]) -> BinaryValue:
    """Encode an array of the type with this OID, of values in the type's binary format."""
    return _array(type_oid, [_NULL if value is None else _length(len(value)) + value for value in values])


def joined(type_oid: int, count: int, data: bytes) -> BinaryValue:
    """Encode an array of `count` values that follow each other in `data`, each after its length of 4 bytes."""
    return BinaryValue(_header(1, 1, type_oid, count, 1) + data)


def text_literal(values: Sequence[str]) -> str:
    """Return texts as an array in Postgres's text format: an array of arrays can't have some of different lengths."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join([f'"{value}"' for value in quoted]) + "}"


def _array(type_oid: int, values: Sequence[bytes]) -> BinaryValue:
    return joined(type_oid, len(values), b"".join(values))
