r"""Bulk inserts with COPY, by way of temporary tables.

Postgres doesn't allow `COPY` into tables with row-level security. Rows are copied into a temporary table; the caller
then moves them with one `insert … select`, under the table's policy. This is several times faster than rows as JSON,
and safe behind a transaction-mode pooler, since the temporary table is dropped at commit.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy.engine import Connection

BLOCK_CHARS = 262_144
"""Approximate size of a block of rows; memory use is one block for any number of rows."""

_SPECIAL = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def copy_rows(tx: Connection, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Create the temporary table `table` with `columns` (as in `create table`) and copy rows into it.

    Values are None, text, numbers, UUIDs, bytes, or sequences of text.
    """
    _copy(tx, table, columns, "text", encode_blocks(rows))


def copy_binary(tx: Connection, table: str, columns: str, data: bytes) -> None:
    """Create a temporary table and fill it with data in COPY's binary format."""
    _copy(tx, table, columns, "binary", [data])


def encode_blocks(rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    r"""Encode rows in COPY's text format, in blocks: `[("a", None, 1)]` → `b"a\t\\N\t1\n"`."""
    lines: list[str] = []
    size = 0
    for row in rows:
        line = "\t".join(map(_field, row))
        lines.append(line)
        size += len(line)
        if size > BLOCK_CHARS:
            yield _block(lines)
            lines, size = [], 0
    if lines:
        yield _block(lines)


def _copy(tx: Connection, table: str, columns: str, form: str, data: Iterable[bytes]) -> None:
    tx.exec_driver_sql(f"create temporary table {table} ({columns}) on commit drop")
    tx.exec_driver_sql(f"copy {table} from stdin (format {form})", execution_options={"copy_from": data})


def _block(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _field(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return _escape(value)
    if value is None:
        return "\\N"
    if kind is bytes:
        return f"\\\\x{value.hex()}"
    if kind is tuple or kind is list:
        return _escape("{" + ",".join(map(_quote, value)) + "}")
    return str(value)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escape(text: str) -> str:
    for character, escape in _SPECIAL:
        if character in text:
            text = text.replace(character, escape)
    return text
