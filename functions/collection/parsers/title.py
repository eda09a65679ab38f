"""Find the title of a document: from its front matter, its main heading, or its file's name. Pure."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

from headwater.parsers import Block

MAX_TITLE_BYTES = 160
"""A token is at least one byte, so the title leaves room for a chunk's text in the smallest model (254 tokens)."""

_NAMED_BY_FOLDER = frozenset({"index", "_index", "readme"})
_SEPARATORS = re.compile(r"[\s_-]+")
_DATE = re.compile(r"(\d{4})[-_](\d\d)[-_](\d\d)(?:[-_\s]+|$)")
_JOURNAL = re.compile(r"(\d{4})_(\d\d)_(\d\d)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Docusaurus orders pages by numbers, which aren't part of their names. A number may also belong to a name, so it has to
# look like an order (`01-a`, `1. a`), or the folder is numbered too.
_NUMBER = re.compile(r"(0\d*[-_.\s]+|\d+\.\s+)(?=\S)|\d{1,3}[-_.\s]+(?=[^\W\d_])")
_IMAGE = re.compile(r"!\[[^\[\]]*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])?")
_LINK_OR_DEFINITION = re.compile(r"\[\s*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])|^\[[^\[\]\n]+\]:.*$", re.MULTILINE)


def find_title(key: str, given: str | None, text: str, blocks: Sequence[Block]) -> str:
    """Return the given title, else the main heading, else the name of the file, made readable.

    README and index files are named by their folder.
    """
    title = " ".join((given or main_heading(text, blocks) or "").split())
    return limit_title(title or name_of_file(key) or key)


def main_heading(text: str, blocks: Sequence[Block]) -> str | None:
    """Return the heading that names the whole page, if there is one.

    It is the first heading if the page begins with it and it has level 1, or is the only one of its level. Elsewhere it
    is the only heading of level 1: other headings name sections.
    """
    headings = [(_level(text, block), block) for block in blocks if block.kind == "heading" and block.heading_path]
    if not headings:
        return None
    levels = [level for level, _ in headings]
    level, first = headings[0]
    if _begins_with(first, text, blocks) and level == min(levels) and (level == 1 or levels.count(level) == 1):
        return first.heading_path[-1]
    if levels.count(1) == 1:
        return headings[levels.index(1)][1].heading_path[-1]
    return None


def name_of_file(key: str) -> str:
    """Return a file's name as a title.

    >>> name_of_file("guides/getting-started_now.md"), name_of_file("guides/set-up/README.md")
    ('Getting started now', 'Set up')
    >>> name_of_file("_posts/2024-03-01-two-lamps.md"), name_of_file("2024_03_01.md"), name_of_file("tools___lamp.md")
    ('Two lamps', '2024-03-01', 'Tools/lamp')
    >>> name_of_file("01-pumps/2-use.md"), name_of_file("3-phase-power.md"), name_of_file("journals/2024_03_01.md")
    ('Use', '3 phase power', 'Mar 1st, 2024')
    """
    path = PurePosixPath(key)
    if path.stem.lower() in _NAMED_BY_FOLDER and path.parent.name:
        path = path.parent
        name = path.name
    else:
        name = path.stem
    name = " ".join(unquote(name).replace("___", "/").split())
    if path.parent.name == "journals" and (day := _JOURNAL.fullmatch(name)):
        return _name_of_journal(*map(int, day.groups()))
    if date := _DATE.match(name):
        name = name[date.end() :]
        if not name:
            return "-".join(date.groups())
    elif (number := _NUMBER.match(name)) and (number[1] or _NUMBER.match(path.parent.name)):
        name = name[number.end() :]
    words = _SEPARATORS.sub(" ", name).strip()
    return words[:1].upper() + words[1:]


def _level(text: str, heading: Block) -> int:
    """Return the level of a heading: its hashes, or 1 or 2 by the line below its text."""
    if text[heading.start] == "#":
        markup = text[heading.start : heading.start + 7]
        return len(markup) - len(markup.lstrip("#"))
    return 1 if text[heading.end - 1] == "=" else 2


def _begins_with(heading: Block, text: str, blocks: Sequence[Block]) -> bool:
    """Return True if only HTML, components, rules, images and empty headings are before a heading."""
    for block in blocks:
        if block is heading:
            return True
        if block.kind == "text":
            words = _LINK_OR_DEFINITION.sub("", _IMAGE.sub("", text[block.start : block.end]))
            if any(map(str.isalnum, words)):
                return False
        elif block.kind not in ("html", "jsx", "rule", "heading"):
            return False
    return False


def _name_of_journal(year: int, month: int, day: int) -> str:
    """Name the page of a day as Logseq does."""
    ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{_MONTHS[(month - 1) % 12]} {day}{ending}, {year}"


def limit_title(title: str) -> str:
    """Cut a long title after the last word that fits, or else after a character."""
    if len(title.encode()) <= MAX_TITLE_BYTES:
        return title
    cut = title.encode()[: MAX_TITLE_BYTES - 3].decode(errors="ignore")
    words = cut.rpartition(" ")[0]
    return (words if len(words) > len(cut) // 2 else cut).rstrip() + "…"
