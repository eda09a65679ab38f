"""Turn MDX into Markdown that CommonMark reads in the same way: without JavaScript, JSX, HTML and indented code."""

import re
from typing import NamedTuple

from functions.collection.parsers.markdown.commonmark import LESS_THAN, REMOVED
from functions.collection.parsers.markdown.cuts import Cuts
from functions.collection.parsers.markdown.jsx import find_jsx

# A string that begins with a capital letter and has at least five words. The limits keep the search linear.
_SENTENCE = re.compile(r"""["'`]\s{0,200}+[A-Z](?:[^\s"`]{1,50}+\s{1,200}+){4}[^\s"`]""")
_NOT_NEWLINE = re.compile(r"[^\n]")
# Where HTML could begin, but not the target of a link.
_LESS_THAN = re.compile(r"<(?=[A-Za-z/!?])(?!https?:|mailto:)(?<!\]\(<)(?<!\]:<)(?<!\]: <)", re.IGNORECASE)
_MARKERS = re.compile(r"(?:(?:[-+*]|\d{1,9}[.)])(?:[ \t]++|$)){0,32}")
_MARKER = re.compile(r"\S++[ \t]*+")
_FENCE = re.compile(r"`{3,}+(?!.*`)|~{3,}+")


class Mdx(NamedTuple):
    """An MDX page.

    markdown: The page as Markdown. Lines have less indentation; `cuts` converts offsets.
    visible: The page with spaces in place of JavaScript and JSX; it has the same length.
    components: The ranges of tags with sentences in their attributes, such as tables of properties.
    hidden: The ranges of all other JavaScript and JSX.
    """

    markdown: str
    visible: str
    components: list[tuple[int, int]]
    hidden: list[tuple[int, int]]
    cuts: Cuts


def read_mdx(text: str) -> Mdx:
    """Turn MDX into Markdown."""
    pieces: list[str] = []
    components: list[tuple[int, int]] = []
    hidden: list[tuple[int, int]] = []
    position = 0
    for start, end in find_jsx(text):
        has_sentence = text[start] == "<" and _SENTENCE.search(text, start, end)
        (components if has_sentence else hidden).append((start, end))
        pieces += (text[position:start], _NOT_NEWLINE.sub(REMOVED, text[start:end]))
        position = end
    blanked = "".join([*pieces, text[position:]])
    markdown, cuts = _unindent(_LESS_THAN.sub(LESS_THAN, blanked))
    return Mdx(markdown, blanked.replace(REMOVED, " "), components, hidden, cuts)


def _unindent(markdown: str) -> tuple[str, Cuts]:
    """Remove indentation that would make code of a line, and all of a line without text."""
    lines: list[str] = []
    cuts = Cuts()
    nesting = _Nesting()
    position = 0
    for line in markdown.split("\n"):
        content = line.lstrip(" \t")
        if not content.strip(f" \t{REMOVED}"):
            content = kept = ""
        else:
            kept = nesting.unindent(line, content)
        if len(kept) != len(line):
            cuts.add(position + len(kept) - len(content), len(line) - len(kept))
        lines.append(kept)
        position += len(kept) + 1
    return "\n".join(lines), cuts


class _Nesting:
    """The list items and the code block that are open at a line."""

    def __init__(self) -> None:
        self.items = [(0, 0)]  # the columns where their contents begin, before and after the removal of indentation
        self.fence = ""
        self.cut = 0

    def unindent(self, line: str, content: str) -> str:
        """Return the line, indented by at most three columns relative to its container unless it is in a code block."""
        column = _columns(line[: len(line) - len(content)])
        if column < self.items[-1][0]:
            self.fence = ""
        if self.fence:
            if content.startswith(self.fence) and not content.strip(self.fence[0] + " \t"):
                self.fence = ""
        else:
            while column < self.items[-1][0]:
                self.items.pop()
            before, after = self.items[-1]
            self.cut = before - after + max(0, column - before - 3)
            self.open(column, content)
        return " " * (column - self.cut) + content if self.cut else line

    def open(self, column: int, content: str) -> None:
        """Open the list items and the code block that begin on a line."""
        markers = _MARKERS.match(content)
        text_start = markers.end() if markers else 0
        for marker in _MARKER.finditer(content, 0, text_start):
            end = column + _columns(content[: marker.end()])
            self.items.append((end, end - self.cut))
        fence = _FENCE.match(content, text_start)
        self.fence = fence[0] if fence else ""


def _columns(text: str) -> int:
    return len(text.expandtabs(4))
