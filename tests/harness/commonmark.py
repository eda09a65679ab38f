"""Where headings, code and tables stand in a page: as markdown-it-py says, the reference, and as our scanner does."""

import bisect
from itertools import accumulate
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from functions.collection.parsers.parse import ParsedDocument

_REFERENCE = MarkdownIt("commonmark").enable("table")


class Structure(NamedTuple):
    """Top-level headings as (line, level, text); code and tables as [first, last) lines, without blank last ones."""

    headings: list[tuple[int, int, str]]
    code: list[tuple[int, int]]
    tables: list[tuple[int, int]]


def reference_structure(text: str) -> Structure:
    """Read a page with markdown-it-py."""
    found = Structure([], [], [])
    tokens = _REFERENCE.parse(text)
    lines = text.split("\n")
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.map is None:
            continue
        if token.type == "heading_open" and token.level == 0 and following:
            found.headings.append((token.map[0], int(token.tag[1]), _plain(following.children)))
        elif token.type in ("fence", "code_block"):
            found.code.append(_without_blank_end(lines, *token.map))
        elif token.type == "table_open":
            found.tables.append(_without_blank_end(lines, *token.map))
    return found


def our_structure(parsed: ParsedDocument) -> Structure:
    """Say the same of a page that we parsed."""
    found = Structure([], [], [])
    lines = parsed.text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    for block in parsed.blocks:
        first, last = (bisect.bisect_right(starts, offset) - 1 for offset in (block.start, block.end - 1))
        written = parsed.text[block.start : block.end]
        if block.kind == "heading":
            level = {"=": 1, "-": 2}[written[-1]] if "\n" in written else len(written) - len(written.lstrip("#"))
            found.headings.append((first, level, block.heading_path[-1] if block.heading_path else ""))
        elif block.kind == "code":
            found.code.append(_without_blank_end(lines, first, last + 1))
        elif block.kind == "table":
            found.tables.append((first, last + 1))
    return found


def _without_blank_end(lines: list[str], first: int, last: int) -> tuple[int, int]:
    last = min(last, len(lines))
    while last > first + 1 and not lines[last - 1].strip(" \t>"):
        last -= 1
    return first, last


def _plain(tokens: list[Token] | None) -> str:
    """Return an inline text as a reader sees it."""
    parts: list[str] = []
    for token in tokens or []:
        if token.type in ("text", "code_inline", "text_special"):
            parts.append(token.content)
        elif token.type == "image":
            parts.append(_plain(token.children))
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return " ".join("".join(parts).split())
