"""Find the contents of admonitions, tabs, definitions and footnotes, which are indented but not code. Pure.

Python-Markdown reads indented lines after `!!! note`, `=== "Tab"`, `: definition` and `[^1]: footnote` as their
contents; for CommonMark they would be code.
"""

import re

from functions.collection.parsers.markdown.cuts import Cuts

_SIGNS = {
    "!!!": "!", "???": "?", '=== "': "=", "=== '": "=", '===! "': "!", '===+ "': "=", "\n:": ":", "\n[^": "^",
}  # fmt: skip
"""What begins a container, with its rarest character: a text is searched fastest for one character."""

_MARK = re.compile(r"(?:!!!|\?\?\?\+?)[ \t]+[\w-]|===[!+]{0,2}[ \t]+[\"']|:[ \t]+\S|\[\^[^\[\]\n]+\]:")
_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])[ \t]+")
_FENCE = re.compile(r"`{3,}+(?!.*`)|~{3,}+")
_INDENT = 4
_MAX_OPEN = 20


def unindent_contents(markdown: str) -> tuple[str, Cuts]:
    """Return the text with the contents of containers indented like the containers themselves."""
    cuts = Cuts()
    if not any(rarest in markdown and sign in markdown for sign, rarest in _SIGNS.items()):
        return markdown, cuts
    lines: list[str] = []
    position = 0
    open_containers = _Containers()
    for line in markdown.split("\n"):
        content = line.lstrip(" \t")
        kept = open_containers.unindent(line, content) if content else line
        if len(kept) != len(line):
            cuts.add(position + len(kept) - len(content), len(line) - len(kept))
        lines.append(kept)
        position += len(kept) + 1
    return "\n".join(lines), cuts


class _Containers:
    """The containers, the list item and the code block that are open at a line."""

    def __init__(self) -> None:
        self.contents: list[int] = []  # the columns where the contents of open containers begin
        self.item = 0
        self.fence = ""
        self.fence_depth = 0

    def unindent(self, line: str, content: str) -> str:
        """Return a line that isn't blank without the indentation of its containers."""
        column = len(line[: len(line) - len(content)].expandtabs(4))
        while self.contents and column < self.contents[-1]:
            self.contents.pop()
        if len(self.contents) < self.fence_depth:
            self.fence, self.fence_depth = "", 0
        removed = _INDENT * len(self.contents)
        if self.fence:
            if content.startswith(self.fence) and not content.strip(self.fence[0] + " \t"):
                self.fence, self.fence_depth = "", 0
        else:
            self.open(column, column - removed, content)
        return " " * (column - removed) + content if removed else line

    def open(self, column: int, own_column: int, content: str) -> None:
        """Open the container, list item or code block that begins on a line."""
        if own_column < self.item:
            self.item = 0
        if fence := _FENCE.match(content):
            self.fence, self.fence_depth = fence[0], len(self.contents)
        elif item := _ITEM.match(content):
            self.item = own_column + len(item[0])
        elif own_column < self.item + _INDENT and _MARK.match(content) and len(self.contents) < _MAX_OPEN:
            self.contents.append(column + _INDENT)
            self.item = 0
