"""Compare the structure of a page that our parser reports with that of markdown-it-py, an independent parser."""

import bisect
from itertools import accumulate, zip_longest
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from functions.collection.parsers.parse import ParsedDocument

_REFERENCE = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Structure(NamedTuple):
    """The parts of a page that both parsers report.

    headings: Those outside of lists and quotes, as (line, level, text).
    code, tables: Ranges of lines, without blank lines at the end.
    links: Targets, percent-encoded, without wikilinks.
    """

    headings: list[tuple[int, int, str]]
    code: list[tuple[int, int]]
    tables: list[tuple[int, int]]
    links: list[str]


def reference_structure(text: str) -> Structure:
    """Parse a page with markdown-it-py."""
    structure = Structure([], [], [], [])
    tokens = _REFERENCE.parse(text)
    lines = text.split("\n")
    for token, following in zip_longest(tokens, tokens[1:]):
        for child in token.children or []:
            if child.type == "link_open" and (target := str(child.attrs["href"])):
                structure.links.append(target)
        if token.map is None:
            continue
        if token.type == "heading_open" and token.level == 0 and following:
            structure.headings.append((token.map[0], int(token.tag[1]), _plain_text(following.children)))
        elif token.type in ("fence", "code_block"):
            structure.code.append(_without_blank_end(lines, *token.map))
        elif token.type == "table_open":
            structure.tables.append(_without_blank_end(lines, *token.map))
    return structure


def our_structure(parsed: ParsedDocument) -> Structure:
    """Describe a page that our parser has parsed."""
    structure = Structure([], [], [], [])
    structure.links.extend(_REFERENCE.normalizeLink(link.target) for link in parsed.links if link.kind == "link")
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


def _plain_text(tokens: list[Token] | None) -> str:
    parts: list[str] = []
    for token in tokens or []:
        if token.type in ("text", "code_inline", "text_special"):
            parts.append(token.content)
        elif token.type == "image":
            parts.append(_plain_text(token.children))
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return " ".join("".join(parts).split())
