"""The parser of Org files (https://orgmode.org/worg/org-syntax.html). Pure."""

import re
import textwrap
from typing import Any

from functions.collection.parsers.inline_markup import Rule, split_inlines
from functions.collection.parsers.text_encoding import decode_text
from functions.collection.parsers.writer import Inline, InlineCode, InlineLink, MarkdownWriter
from headwater.parsers import Parsed

READS = ("text/x-org", "text/org", ".org")
VERSION = 2

_HEADING = re.compile(r"(\*+)\s+(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED)\s+)?(?:\[#[A-Z]\]\s+)?(.*)")
_TAGS = re.compile(r"(?<!\S):[\w@#%:]+:\Z")
_COOKIE = re.compile(r"(?<!\s)\s*+\[(?:\d*/\d*|\d*%)\]")
"""How many of a heading's tasks are done."""
_KEYWORD = re.compile(r"#\+(\w+):\s*(.*)", re.IGNORECASE)
_BEGIN = re.compile(r"\s*#\+begin_(\w+)(?:\s+(.*))?$", re.IGNORECASE)
_DRAWER = re.compile(r"\s*:[\w-]+:\s*$")
_DRAWER_END = re.compile(r"\s*:end:\s*$", re.IGNORECASE)
_PLANNING = re.compile(r"\s*(?:SCHEDULED|DEADLINE|CLOSED|CLOCK):.*")
_ITEM = re.compile(r"(\s*)(?:[-+]|(\d+)[.)]| \*)\s+(?:\[[ X-]\]\s+)?(.*)")
_RULE = re.compile(r"\|[-+|: ]++$")
_FIXED_WIDTH = re.compile(r"\s*:(?: (.*))?$")
_CODE_BLOCKS = frozenset({"src", "example", "export", "verbatim"})

_INLINE: tuple[Rule, ...] = (
    (
        re.compile(r"\[\[([^\[\]\n]+)\]\[([^\[\]\n]+)\]\]"),
        lambda match: InlineLink(match[2], match[1].removeprefix("file:")),
    ),
    (re.compile(r"\[\[([^\[\]\n]+)\]\]"), lambda match: InlineLink(match[1], match[1].removeprefix("file:"))),
    (re.compile(r"(?<![\w=~])[=~]([^\s=~](?:[^=~\n]*[^\s=~])?)[=~](?![\w=~])"), lambda match: InlineCode(match[1])),
    (re.compile(r"(?<![\w*])\*([^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"), lambda match: match[1]),
    (re.compile(r"(?<![\w/:])/([^\s/](?:[^/\n]*[^\s/])?)/(?![\w/])"), lambda match: match[1]),
)


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse a file. Raises PermanentError if it is binary."""
    text, warnings = decode_text(content)
    reader = _Reader(text.split("\n"))
    reader.writer.warnings += warnings
    return reader.read()


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.writer = MarkdownWriter()
        self.front_matter: dict[str, Any] = {}
        self.paragraph: list[str] = []
        self.indents: list[int] = []

    def read(self) -> Parsed:
        while self.at < len(self.lines):
            self._read_line(self.lines[self.at])
        self._end_paragraph()
        title = self.front_matter.pop("title", None)
        return self.writer.finish(title, self.front_matter)

    def _read_line(self, line: str) -> None:
        self.at += 1
        if heading := _HEADING.match(line):
            self._end_paragraph()
            title = _COOKIE.sub("", _TAGS.sub("", heading[2].rstrip())).rstrip()
            self.writer.heading(len(heading[1]) + ("title" in self.front_matter), list(_inlines(title)))
        elif begin := _BEGIN.match(line):
            self._end_paragraph()
            self._read_block(begin[1].lower(), (begin[2] or "").split(maxsplit=1))
        elif keyword := _KEYWORD.match(line):
            self._read_keyword(keyword[1].lower(), keyword[2].strip())
        elif _DRAWER.match(line) and any(map(_DRAWER_END.match, self.lines[self.at : self.at + 200])):
            while not _DRAWER_END.match(self.lines[self.at]):
                self.at += 1
            self.at += 1
        elif (is_table := line.lstrip().startswith("|")) or _FIXED_WIDTH.match(line):
            self._end_paragraph()
            self.at -= 1
            (self._read_table if is_table else self._read_fixed_width)()
        elif (item := _ITEM.match(line)) and not line.startswith("*"):
            self._read_item(len(item[1]), int(item[2][:9]) if item[2] else None, item[3])
        elif not line.strip():
            self._end_paragraph()
        elif not (line.startswith("# ") or line == "#" or _PLANNING.fullmatch(line)):
            self.paragraph.append(line)

    def _read_keyword(self, name: str, value: str) -> None:
        if name in ("title", "author", "date", "description", "keywords") and value:
            self.front_matter.setdefault(name, value)
            if name == "title":
                self.writer.heading(1, value)
        elif name == "filetags":
            self.front_matter["tags"] = [tag for tag in value.split(":") if tag.strip()]

    def _read_block(self, kind: str, arguments: list[str]) -> None:
        end = re.compile(rf"\s*#\+end_{re.escape(kind)}\s*$", re.IGNORECASE)
        start = self.at
        while self.at < len(self.lines) and not end.match(self.lines[self.at]):
            self.at += 1
        body = "\n".join(re.sub(r"^(\s*),([*#])", r"\1\2", line) for line in self.lines[start : self.at])
        self.at += 1
        if kind in _CODE_BLOCKS:
            self.writer.code(textwrap.dedent(body), arguments[0] if arguments and kind == "src" else "")
        elif kind != "comment":
            write = self.writer.quote if kind == "quote" else self.writer.paragraph
            for paragraph in re.split(r"\n\s*\n", body):
                write(list(_inlines(paragraph)))

    def _read_table(self) -> None:
        rows: list[list[list[Inline]]] = []
        while self.at < len(self.lines) and self.lines[self.at].lstrip().startswith("|"):
            line = self.lines[self.at].strip()
            if not _RULE.match(line):
                rows.append([list(_inlines(cell.strip())) for cell in line.strip("|").split("|")])
            self.at += 1
        self.writer.table(rows)

    def _read_fixed_width(self) -> None:
        lines: list[str] = []
        while self.at < len(self.lines) and (match := _FIXED_WIDTH.match(self.lines[self.at])):
            lines.append(match[1] or "")
            self.at += 1
        self.writer.code("\n".join(lines))

    def _read_item(self, indent: int, number: int | None, text: str) -> None:
        if self.paragraph:
            self._end_paragraph()
        while self.indents and self.indents[-1] >= indent:
            self.indents.pop()
        depth = len(self.indents)
        self.indents.append(indent)
        lines = [text]
        while self.at < len(self.lines):
            following = self.lines[self.at]
            if not following.strip() or _ITEM.match(following) or len(following) - len(following.lstrip()) <= indent:
                break
            lines.append(following)
            self.at += 1
        self.writer.item(list(_inlines("\n".join(lines))), depth=depth, number=number)

    def _end_paragraph(self) -> None:
        if self.paragraph:
            self.writer.paragraph(list(_inlines("\n".join(self.paragraph))))
            self.paragraph.clear()
            self.indents.clear()


def _inlines(text: str) -> list[Inline]:
    return list(split_inlines(text, _INLINE))
