"""The date of a document, by its front matter or its file's name."""

import datetime as dt
from typing import Any

import pytest

from functions.chat.retrieval.dates import document_date


@pytest.mark.parametrize(
    ("front_matter", "key", "expected"),
    [
        ({"date": "2024-03-01"}, "a.md", "2024-03-01T00:00:00+00:00"),
        ({"date": "2024-03-01", "updated": "2024-05-02 10:30:00"}, "a.md", "2024-05-02T10:30:00+00:00"),
        ({"LastMod": "2024-03-01T01:00:00+02:00"}, "a.md", "2024-02-29T23:00:00+00:00"),
        ({"last-modified": " 2024-03-01 "}, "a.md", "2024-03-01T00:00:00+00:00"),
        ({"last_update": {"date": "2024-03-01"}}, "a.md", "2024-03-01T00:00:00+00:00"),
        ({"extra": {"updated": "2024-03-01"}, "date": "2023-01-01"}, "a.md", "2023-01-01T00:00:00+00:00"),
        ({"updated": "soon", "date": "2024-03-01"}, "a.md", "2024-03-01T00:00:00+00:00"),
        ({}, "posts/2024-03-01-launch.md", "2024-03-01T00:00:00+00:00"),
        ({"date": "2023-01-01"}, "2024-03-01-launch.md", "2023-01-01T00:00:00+00:00"),
        ({}, "2024-03-01/notes.md", None),
        ({}, "2024-03-011.md", None),
        ({}, "2024-13-01.md", None),
        ({"date": 20240301}, "a.md", None),
        ({"date": ["2024-03-01"]}, "a.md", None),
        ({"date": "0001-01-01T00:00:00+14:00"}, "a.md", None),
        ({"params": "2024-03-01", "title": "2024-03-01"}, "a.md", None),
    ],
)
def test_document_date_reads_front_matter_and_file_names(
    front_matter: dict[str, Any], key: str, expected: str | None
) -> None:
    assert document_date(front_matter, key) == (dt.datetime.fromisoformat(expected) if expected else None)
