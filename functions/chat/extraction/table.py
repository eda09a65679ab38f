"""Write the rows of an extraction as JSON Lines or CSV. Pure."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from functions.chat.extraction.citing import ValueCitation
from functions.chat.extraction.extractions import StoredRow
from functions.chat.extraction.output_schema import pointer

Format = Literal["jsonl", "csv"]

CONTENT_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Cells that begin with these are formulas to spreadsheets (OWASP, "CSV Injection"), also in their full width."""


class Line(msgspec.Struct, frozen=True):
    """A document's row. `value` is null for a failed one, whose `error` says why."""

    document_id: str
    title: str
    url: str | None
    state: str
    value: msgspec.Raw
    citations: msgspec.Raw
    uncited: msgspec.Raw
    error: str | None


def to_jsonl(rows: Sequence[StoredRow]) -> bytes:
    """Return rows as lines of JSON."""
    lines = (
        Line(
            str(row.document_id),
            row.title,
            row.url,
            row.state,
            _raw(row.value, "null"),
            _raw(row.citations, "[]"),
            _raw(row.uncited, "[]"),
            row.error,
        )
        for row in rows
    )
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def columns(schema: dict[str, Any]) -> list[str]:
    """Return the names of a table's columns: the properties of the schema's objects, none for other values."""
    properties = schema.get("properties")
    return list(properties) if isinstance(properties, dict) else []


def csv_header(names: Sequence[str]) -> bytes:
    """Return the first line: each value has a column, and one for its sources."""
    values = [cell for name in names or ["value"] for cell in (name, f"{name} source")]
    return _line(["document_id", "title", "url", "state", "error", *values])


def to_csv(rows: Sequence[StoredRow], names: Sequence[str]) -> bytes:
    """Return rows as lines of CSV (RFC 4180). Values with an inner structure are JSON."""
    return b"".join(_csv_row(row, names) for row in rows)


def _csv_row(row: StoredRow, names: Sequence[str]) -> bytes:
    value = msgspec.json.decode(row.value) if row.value else None
    citations = msgspec.json.decode(row.citations, type=list[ValueCitation]) if row.citations else []
    cells: list[Any] = []
    for name in names:
        inner = value.get(name) if isinstance(value, dict) else None
        path = pointer([name])
        cells += [inner, _sources([each for each in citations if each.path in ("", path) or _is_below(each, path)])]
    if not names:
        cells = [value, _sources(citations)]
    return _line([str(row.document_id), row.title, row.url, row.state, row.error, *cells])


def _is_below(citation: ValueCitation, path: str) -> bool:
    return citation.path.startswith(f"{path}/")


def _sources(citations: Sequence[ValueCitation]) -> str:
    """Return the quotations with their places: `"1,250.50" (412-420, page 2)`."""
    return "; ".join(
        f'"{" ".join(each.quote.split())}" ({each.start}-{each.end}{f", page {each.page}" if each.page else ""})'
        for each in citations
    )


def _line(cells: Sequence[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(cell) for cell in cells])
    return line.getvalue().encode()


def _cell(value: Any) -> str:
    """Return a cell's text. An apostrophe keeps spreadsheets from running a text as a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value.replace("\0", "")
        return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
    return msgspec.json.encode(value).decode()


def _raw(content: str | None, default: str) -> msgspec.Raw:
    return msgspec.Raw((content or default).encode())
