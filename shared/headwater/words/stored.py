"""Count the words of stored chunks. Pure."""

from typing import Any

from headwater.passages import about, excerpt
from headwater.words.analysis import count_chunk_words


def count_stored_words(document: Any, chunk: Any, language: str) -> dict[int, int]:
    """Count the words of a chunk in a language, as those of a parsed file are counted.

    `document` is a row with key, title, text and front_matter; `chunk` one with ordinal, heading_path, markup, and the
    offsets of its text and table header in the document's.
    """
    text = document.text[chunk.start_offset : chunk.end_offset]
    header = None if chunk.header_start is None else document.text[chunk.header_start : chunk.header_end]
    description = about(document.front_matter) if chunk.ordinal == 0 else ""
    shown = excerpt(text, chunk.markup or (), header)
    headings = (*chunk.heading_path, description)
    return count_chunk_words(document.key, document.title, headings, shown, language=language)
