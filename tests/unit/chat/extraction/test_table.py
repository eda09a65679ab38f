"""Rows of an extraction as CSV: formulas, quotes, structure."""

import csv
import io
import json
import uuid
from typing import Any

import pytest

from functions.chat.extraction.extractions import StoredRow
from functions.chat.extraction.table import columns, csv_header, to_csv, to_jsonl

ID = uuid.UUID(int=1)


def row(value: Any, *, title: str = "T", citations: Any = ()) -> StoredRow:
    return StoredRow(1, ID, title, None, "done", json.dumps(value), json.dumps(list(citations)), "[]", None)


def cells(value: Any, names: list[str], **about: Any) -> list[str]:
    [found] = csv.reader(io.StringIO(to_csv([row(value, **about)], names).decode()))
    return found


@pytest.mark.parametrize(
    "text",
    ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1"],
    ids=["equals", "plus", "minus", "at", "tab", "return", "spaces", "full width"],
)
def test_formula_begins_with_an_apostrophe(text: str) -> None:
    assert cells({"a": text}, ["a"])[5] == f"'{text}"
    assert cells({"a": 1}, ["a"], title=text)[1] == f"'{text}"


@pytest.mark.parametrize(
    ("value", "cell"),
    [(-1.5, "-1.5"), (True, "true"), (None, ""), ('a\nb,"c"\0', 'a\nb,"c"'), (["=1"], '["=1"]'), ({"b": 1}, '{"b":1}')],
    ids=["number", "boolean", "null", "text", "list", "object"],
)
def test_cell_has_the_value(value: Any, cell: str) -> None:
    assert cells({"a": value}, ["a"])[5] == cell


def test_sources_are_beside_their_values() -> None:
    place = {"document_id": "d", "title": "T", "url": None, "start": 3, "end": 9}
    citations = [
        {**place, "path": "/a/0", "page": 2, "quote": "one\n two"},
        {**place, "path": "/ab", "page": None, "quote": "three"},
    ]
    found = cells({"a": [1], "ab": 2, "c": 3}, ["a", "ab", "c"], citations=citations)
    assert found[5:] == ["[1]", '\'"one two" (3-9, page 2)'.lstrip("'"), "2", '"three" (3-9)', "3", ""]


def test_values_that_are_no_objects_have_one_column() -> None:
    assert columns({"type": "array"}) == []
    assert csv_header([]).decode().strip().split(",")[5:] == ["value", "value source"]
    assert cells([1, 2], [])[5] == "[1,2]"


def test_headers_are_escaped() -> None:
    assert b"'=1," in csv_header(["=1"])


def test_jsonl_has_whole_values() -> None:
    failed = StoredRow(2, ID, "T", "https://x.example", "failed", None, None, None, "Document not found.")
    lines = [json.loads(line) for line in to_jsonl([row({"a": "=\0"}), failed]).splitlines()]
    assert [line["value"] for line in lines] == [{"a": "=\0"}, None]
    assert (lines[1]["error"], lines[1]["citations"], lines[1]["uncited"]) == ("Document not found.", [], [])
