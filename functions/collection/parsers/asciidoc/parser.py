"""The AsciiDoc parser (https://docs.asciidoctor.org/asciidoc/latest/). Other files are not included. Pure."""

import csv
import re
from typing import Any

from functions.collection.parsers.inline_markup import Rule, split_inlines
from functions.collection.parsers.text_encoding import decode_text
from functions.collection.parsers.writer import Inline, InlineCode, InlineLink, MarkdownWriter
from headwater.parsers import Parsed

READS = ("text/asciidoc", "text/x-asciidoc", ".adoc", ".asciidoc", ".asc")
VERSION = 2

_HEADING = re.compile(r"(={1,6}|#{1,6})\s+(\S.*)")
_UNDERLINE = re.compile(r"(={2,}|-{2,}|~{2,}|\^{2,}|\+{2,})\s*$")
_UNDERLINES = "=-~^+"
"""What underlines the titles of levels 1 to 5."""
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):\s*(.*)")
_ITEM = re.compile(r"\s*(\*{1,5}|-|\.{1,5}|(\d{1,9})\.)\s+(?:\[[ x*]\]\s+)?(\S.*)")
_TERM = re.compile(r"(\S.*?)(?:::|;;)(?:\s+(.*))?$")
_BLOCK_ATTRIBUTES = re.compile(r"\[([^\]]*)\]\s*$")
_BLOCK_TITLE = re.compile(r"\.(?![.\s])(.+)")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|={4,}|_{4,}|\*{4,}|\+{4,}|/{4,}|--|```\w*)\s*$")
_TABLE = re.compile(r"([|,:!])={3,}\s*$")
_CELL = re.compile(r"(?<!\\)(?:\d{1,3}(?:\.\d{1,3})?[+*])?[<^>.]{0,4}[a-z]?\|")
_MACRO = re.compile(r"(include|image|video|audio|toc|ifdef|ifndef|endif|ifeval)::[^\[\]]*\[.*\]\s*$")
_COMMENT = re.compile(r"//(?!//).*")
_ANCHOR = re.compile(r"\[\[[^\[\]]*\]\]")
_CALLOUT = re.compile(r"(?<!\s)\s*+<(?:\d+|\.)>$", re.MULTILINE)
_ADDRESS = re.compile(r"(?<!\s)\s*+<[^<>]*>")
_REFERENCE = re.compile(r"\{([\w-]+)\}")

_MAX_TARGET, _MAX_NAME = 2_000, 200
_LABEL = r"([^\]]{0,1000})"
"""Bounded, as an unclosed macro is looked for from each place that may begin one."""
_EXPANDED_SHARE, _EXPANDED_CHARS = 2, 100_000
"""References to attributes expand to at most twice the size of the file, plus 100,000 characters."""

_INLINE: tuple[Rule, ...] = (
    (
        re.compile(rf"(?:link:|xref:)((?:(?!link:|xref:)[^\s\[\]])+)\[{_LABEL}\]"),
        lambda match: InlineLink(_label(match[2]) or match[1], match[1]),
    ),
    (
        re.compile(rf"(https?://[^\s\[\]<>]{{1,{_MAX_TARGET}}})\[{_LABEL}\]"),
        lambda match: InlineLink(_label(match[2]) or match[1], match[1]),
    ),
    (re.compile(r"<<([^,<>\n]+)(?:,\s*+([^<>\n]+))?>>"), lambda match: match[2] or match[1]),
    (re.compile(r"(?<!`)`++\+?([^`\n]+?)\+?`+"), lambda match: InlineCode(match[1])),
    (
        re.compile(rf"(?:image|icon|kbd|btn|menu|footnote|pass|stem):([^\s\[\]]{{0,{_MAX_NAME}}})\[{_LABEL}\]"),
        lambda match: _label(match[2]),
    ),
    (re.compile(r"(?<![\w*])\*\*?([^\s*](?:[^*\n]*[^\s*])?)\*\*?(?![\w*])"), lambda match: match[1]),
    (re.compile(r"(?<![\w_])__?([^\s_](?:[^_\n]*[^\s_])?)__?(?![\w_])"), lambda match: match[1]),
    (_ANCHOR, lambda _: ""),
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
        self.attributes: dict[str, str] = {}
        self.style: list[str] = []
        self.paragraph: list[str] = []
        self.markers: list[str] = []
        self.numbers: dict[str, int] = {}
        self.included = 0
        self._last_lines = {line.rstrip(): index for index, line in enumerate(lines)}
        self._room = _EXPANDED_SHARE * sum(map(len, lines)) + _EXPANDED_CHARS

    def read(self) -> Parsed:
        while self.at < len(self.lines):
            self._read_line(self.lines[self.at].rstrip())
        self._end_paragraph()
        if self.included:
            self.writer.warnings.append(f"other files are not included: {self.included:,}")
        fields = ("author", "description", "keywords", "revdate")
        front_matter: dict[str, Any] = {
            "date" if name == "revdate" else name: self.attributes[name] for name in fields if self.attributes.get(name)
        }
        return self.writer.finish(None, front_matter)

    def _read_line(self, line: str) -> None:
        self.at += 1
        if not line or line == "+":
            self._end_paragraph()
        elif _COMMENT.match(line) and not line.startswith("////"):
            return
        elif level := self._level_by_underline(line):
            self.at += 1
            self._write_heading(level, line)
        elif table := _TABLE.match(line):
            self._end_paragraph()
            self._read_table(line, table[1])
        elif _DELIMITER.match(line) and not (self.paragraph and line == "--"):
            self._end_paragraph()
            self._read_block(line)
        elif heading := _HEADING.match(line):
            self._end_paragraph()
            title = heading[2]
            title = title.removesuffix(heading[1]) if title.endswith((f" {heading[1]}", f"\t{heading[1]}")) else title
            self._write_heading(len(heading[1]), title.rstrip())
        elif not self.paragraph and self._read_annotation(line):
            return
        elif (item := _ITEM.match(line)) and not self.paragraph:
            self._read_item(item[1], item[3])
        elif (term := _TERM.match(line)) and not self.paragraph:
            self.writer.item([*self._inlines(term[1]), ": ", *self._inlines(term[2] or self._next_text())])
        else:
            self.paragraph.append(line.removesuffix(" +"))

    def _level_by_underline(self, line: str) -> int:
        """Return the level of a title with a line below it of nearly its length, 0 for another line."""
        below = self.lines[self.at] if self.at < len(self.lines) else ""
        if self.paragraph or not (underline := _UNDERLINE.match(below)) or not re.match(r"\W?\w", line):
            return 0
        return 0 if abs(len(underline[1]) - len(line)) > 1 else _UNDERLINES.index(underline[1][0]) + 1

    def _write_heading(self, level: int, text: str) -> None:
        self.writer.heading(level, self._inlines(text))
        self.markers.clear()
        if level == 1:
            self._read_header()

    def _read_header(self) -> None:
        """Read the lines below the title: the author, the revision and attributes."""
        while self.at < len(self.lines) and (line := self.lines[self.at].strip()):
            if attribute := _ATTRIBUTE.match(line):
                self.attributes[attribute[1]] = attribute[2].strip()
            elif not _COMMENT.match(line):
                self.attributes.setdefault("author", _ADDRESS.sub("", line))
            self.at += 1

    def _read_annotation(self, line: str) -> bool:
        """Read a line about the document or the next block. Returns False if it is text."""
        if attribute := _ATTRIBUTE.match(line):
            self.attributes[attribute[1]] = attribute[2].strip()
        elif macro := _MACRO.match(line):
            self.included += macro[1] == "include"
        elif style := _BLOCK_ATTRIBUTES.match(line):
            self.style = [part.strip() for part in style[1].split(",")]
        elif title := _BLOCK_TITLE.match(line):
            self.writer.paragraph(self._inlines(title[1]))
        elif not _ANCHOR.fullmatch(line) and line not in ("'''", "<<<"):
            return False
        return True

    def _read_block(self, delimiter: str) -> None:
        start = self.at
        closing = "```" if delimiter.startswith("```") else delimiter
        kind, style = delimiter[0], self.style
        self.style = []
        is_code = kind == "-" and bool(style) and style[0].split("%")[0] in ("source", "listing")
        is_closed = self._last_lines.get(closing, -1) >= start
        if not is_closed or kind in "=*" or (delimiter == "--" and not is_code):  # blocks in it are read as they come
            return
        end = next(index for index in range(start, len(self.lines)) if self.lines[index].rstrip() == closing)
        body = self.lines[start:end]
        self.at = end + 1
        if kind in "-.`":
            is_source = style[:1] == ["source"] or style[:1] == [""]
            language = style[1] if is_source and len(style) > 1 else ""
            language = delimiter.lstrip("`") if kind == "`" else language
            self.writer.code(_CALLOUT.sub("", "\n".join(body)), language)
        elif kind == "_":
            for paragraph in re.split(r"\n\s*\n", "\n".join(body)):
                self.writer.quote(self._inlines(paragraph))
        elif kind == "+":
            self.writer.paragraph("\n".join(body))

    def _read_table(self, delimiter: str, separator: str) -> None:
        end = next(
            (index for index in range(self.at, len(self.lines)) if self.lines[index].rstrip() == delimiter), None
        )
        body = self.lines[self.at : end]
        self.at = (len(self.lines) if end is None else end) + 1
        columns = self._columns()
        self.style = []
        if separator != "|":
            rows = list(csv.reader(body, delimiter="," if separator == "," else ":"))
            self.writer.table([[self._inlines(cell) for cell in row] for row in rows if row])
            return
        first = next((line for line in body if line.strip()), "")
        columns = columns or len(_CELL.findall(first)) or 1
        pieces = _CELL.split("\n".join(body))[1:]
        cells = [self._inlines(piece.strip()) for piece in pieces]
        self.writer.table([cells[at : at + columns] for at in range(0, len(cells), columns)])

    def _columns(self) -> int:
        """Return the number of columns that the attributes of a table state, 0 for none."""
        stated = ",".join(self.style)
        if not (columns := re.search(r"cols=\"?([^\"\]]+)", stated)):
            return 0
        parts = columns[1].split(",")
        repeated = re.match(r"(\d{1,3})\*", parts[0])
        return int(repeated[1]) if repeated else len(parts)

    def _read_item(self, marker: str, text: str) -> None:
        kind = "1." if marker[0].isdigit() else marker
        if kind in self.markers:
            del self.markers[self.markers.index(kind) + 1 :]
        else:
            self.markers.append(kind)
            self.numbers[kind] = 0
        self.numbers[kind] += 1
        lines = [text]
        while self.at < len(self.lines) and (following := self.lines[self.at].strip()):
            if _ITEM.match(following) or following == "+" or _DELIMITER.match(following) or _TABLE.match(following):
                break
            lines.append(following)
            self.at += 1
        number = self.numbers[kind] if kind[0] in ".1" else None
        self.writer.item(self._inlines("\n".join(lines)), depth=len(self.markers) - 1, number=number)

    def _next_text(self) -> str:
        while self.at < len(self.lines) and not self.lines[self.at].strip():
            self.at += 1
        if self.at < len(self.lines) and not _HEADING.match(self.lines[self.at]):
            self.at += 1
            return self.lines[self.at - 1].strip()
        return ""

    def _end_paragraph(self) -> None:
        if self.paragraph:
            style, self.style = self.style, []
            text = "\n".join(self.paragraph)
            self.paragraph.clear()
            self.markers.clear()
            if style[:1] == ["source"] or text.startswith(" "):
                self.writer.code(text, style[1] if len(style) > 1 else "")
            elif style[:1] in (["quote"], ["verse"]):
                self.writer.quote(self._inlines(text))
            else:
                self.writer.paragraph(self._inlines(text))

    def _inlines(self, text: str) -> list[Inline]:
        return list(split_inlines(_REFERENCE.sub(self._expand, text), _INLINE))

    def _expand(self, reference: re.Match[str]) -> str:
        """Return the value of an attribute; the reference as it is, if there is none or too much was expanded."""
        value = self.attributes.get(reference[1], reference[0])
        if len(value) > self._room:
            return reference[0]
        self._room -= len(value)
        return value


def _label(attributes: str) -> str:
    return attributes.partition(",")[0].strip().strip('"').removesuffix("^")
