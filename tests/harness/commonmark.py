"""Headings, code and tables of a page: by the reference parser markdown-it-py, and by our parser."""

import bisect
from itertools import accumulate
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from functions.collection.parsers.parse import ParsedDocument

_REFERENCE = MarkdownIt("commonmark").enable("table")


class Structure(NamedTuple):
    """Top-level headings as (line, level, text); code and tables as [first, last) lines, without blank last lines."""

    headings: list[tuple[int, int, str]]
    code: list[tuple[int, int]]
    tables: list[tuple[int, int]]


def reference_structure(text: str) -> Structure:
    """Return the structure that markdown-it-py finds."""
    structure = Structure([], [], [])
    tokens = _REFERENCE.parse(text)
    lines = text.split("\n")
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.map is None:
            continue
        if token.type == "heading_open" and token.level == 0 and following:
            structure.headings.append((token.map[0], int(token.tag[1]), _plain(following.children)))
        elif token.type in ("fence", "code_block"):
            structure.code.append(_without_blank_end(lines, *token.map))
        elif token.type == "table_open":
            structure.tables.append(_without_blank_end(lines, *token.map))
    return structure


def our_structure(parsed: ParsedDocument) -> Structure:
    """Return the structure that our parser found."""
    structure = Structure([], [], [])
    lines = parsed.text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    for block in parsed.blocks:
        first, last = (bisect.bisect_right(starts, offset) - 1 for offset in (block.start, block.end - 1))
        source = parsed.text[block.start : block.end]
        if block.kind == "heading":
            level = {"=": 1, "-": 2}[source[-1]] if "\n" in source else len(source) - len(source.lstrip("#"))
            structure.headings.append((first, level, block.heading_path[-1] if block.heading_path else ""))
        elif block.kind == "code":
            structure.code.append(_without_blank_end(lines, first, last + 1))
        elif block.kind == "table":
            structure.tables.append((first, last + 1))
    return structure


def _without_blank_end(lines: list[str], first: int, last: int) -> tuple[int, int]:
    last = min(last, len(lines))
    while last > first + 1 and not lines[last - 1].strip(" \t>"):
        last -= 1
    return first, last


def _plain(tokens: list[Token] | None) -> str:
    """Return an inline text as rendered, without markup."""
    parts: list[str] = []
    for token in tokens or []:
        if token.type in ("text", "code_inline", "text_special"):
            parts.append(token.content)
        elif token.type == "image":
            parts.append(_plain(token.children))
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return " ".join("".join(parts).split())
