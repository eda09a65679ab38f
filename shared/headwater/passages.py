"""The parts of a chunk and of its document's front matter that are embedded, indexed and shown. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MAX_ABOUT_BYTES = 300

_ABOUT = ("description", "aliases", "alias", "tags", "tag", "keywords", "categories")
_NESTED = ("taxonomies", "extra", "params")
"""Zola and Hugo have the same fields in these tables."""


def excerpt(text: str, markup: Sequence[int], table_header: str | None = None) -> str:
    """Return a chunk's text without its markup, after the header of the table that it continues.

    `markup` has the start and end of each range, in the chunk's text. A space replaces markup between two words.
    """
    pieces = [] if table_header is None else ["\n".join(map(str.strip, table_header.split("\n"))), "\n"]
    position = 0
    for start, end in zip(markup[::2], markup[1::2], strict=True):
        pieces.append(text[position:start])
        if is_within_word(text, start, end):
            pieces.append(" ")
        position = end
    return "".join([*pieces, text[position:]])


def is_within_word(text: str, start: int, end: int) -> bool:
    """Return True if a range of markup is between two words without a space, so that a space replaces it."""
    is_in_word = text[max(start - 1, 0) : start].isalnum() and text[end : end + 1].isalnum()
    return is_in_word and not text.startswith(("<su", "</su"), start)


def about(front_matter: Mapping[str, Any]) -> str:
    """Return the description, aliases, tags and keywords in front matter, of at most 300 bytes.

    They are embedded and indexed with a document's first chunk.

    >>> about({"description": "How pumps work.", "tags": ["water", "pump"], "draft": True})
    'How pumps work. water, pump'
    """
    tables = [front_matter, *(table for name in _NESTED if isinstance(table := front_matter.get(name), Mapping))]
    parts = [part for table in tables for name in _ABOUT if (part := ", ".join(_texts(table.get(name))))]
    text = " ".join(" ".join(parts).split())
    if len(text.encode()) <= MAX_ABOUT_BYTES:
        return text
    return text.encode()[:MAX_ABOUT_BYTES].decode(errors="ignore").rpartition(" ")[0]


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str | int | float) and not isinstance(item, bool):
            yield str(item)
