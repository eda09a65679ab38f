"""The line scanner beneath `blocks`: a page's lines flow in; spans of lines, each of one kind, flow out in order.

A scanner of our own instead of a full parser: only where blocks begin and end and what they are is needed, for
thousands of pages a second. It follows CommonMark 0.31 with GitHub's tables, flattened: what lists and quotes hold
comes out as `list` and `quote`, except code and tables, which keep their kind. Tests hold it against markdown-it-py.

Each construct has one method: it takes the line where its block starts, records the block, returns the line after it.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from headwater.parsers import BlockKind

MAX_NESTED_QUOTES = 6
MAX_MARKERS_ON_A_LINE = 32

ATX = re.compile(r"(#{1,6})(?:[ \t]|$)")
_SETEXT = re.compile(r"(?:=+|-+)[ \t]*$")
_FENCE = re.compile(r"(`{3,}(?!.*`)|~{3,})")
_RULE = re.compile(r"([-*_])(?:[ \t]*+\1){2,}[ \t]*$")
_MARKER = re.compile(r"([-+*]|(\d{1,9})[.)])(?=[ \t]|$)([ \t]*)")
_DELIMITER_ROW = re.compile(r"\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*$")
_DEFINITION = re.compile(
    r"""\[(?!\^)[^\[\]]{1,500}\]:[ \t]*+(?:<[^<>]*+>|[^\s<]\S*+)(?:[ \t]++(?:"[^"]*+"|'[^']*+'|\([^()]*+\)))?+[ \t]*$"""
)
_ESCAPED_PIPE = re.compile(r"\\.")
# What may end a paragraph without a blank line begins with one of these (or a digit).
_INTERRUPTING = frozenset("#`~>-*_+<=|:0123456789")

_HTML_NAMES = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|fieldset|"
    "figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|"
    "noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul"
)
_ATTRIBUTE = r"""(?:\s++[A-Za-z_:][\w.:-]*+(?:\s*+=\s*+(?:[^\s"'=<>`]++|'[^']*+'|"[^"]*+"))?+)"""
# CommonMark 4.6: how a block of HTML starts, and what its last line holds (None: it ends before a blank line).
_HTML: tuple[tuple[re.Pattern[str], re.Pattern[str] | None], ...] = (
    (
        re.compile(r"<(?:script|pre|style|textarea)(?:[\s>]|$)", re.IGNORECASE),
        re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE),
    ),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<\?"), re.compile(r"\?>")),
    (re.compile(r"<![A-Za-z]"), re.compile(r">")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
    (re.compile(rf"</?(?:{_HTML_NAMES})(?:[\s>]|/>|$)", re.IGNORECASE), None),
)
_HTML_LONE_TAG = re.compile(rf"<(?:[A-Za-z][A-Za-z0-9-]*+{_ATTRIBUTE}*+\s*+/?|/[A-Za-z][A-Za-z0-9-]*+\s*+)>[ \t]*$")


class Span(NamedTuple):
    """Lines `first` up to, without, `last`; `level` is a heading's."""

    kind: BlockKind
    first: int
    last: int
    level: int = 0


class _Line(NamedTuple):
    """Where a block starts: the line's number, the column of its first character, and the line from there on."""

    number: int
    column: int
    body: str


def _indent(line: str) -> int:
    """Count the columns before a line's first character; a tab reaches to the next multiple of four."""
    width = len(line) - len(line.lstrip(" \t"))
    return len(line[:width].expandtabs(4)) if "\t" in line[:width] else width


class Scanner:
    """One pass over lines; `items` holds the columns at which the contents of the open list items begin."""

    def __init__(self, lines: Sequence[str], *, mdx: bool, depth: int = 0) -> None:
        self.lines = lines
        self.mdx = mdx
        self.depth = depth
        self.items: list[int] = []
        self.spans: list[Span] = []
        self.constructs: dict[str, Callable[[_Line], int | None]] = {
            "#": self.atx_heading,
            "`": self.fence,
            "~": self.fence,
            ">": self.quote,
            "<": self.html,
            "[": self.definition,
            "-": self.rule_or_item,
            "*": self.rule_or_item,
            "+": self.rule_or_item,
            "_": self.rule_or_item,
            **dict.fromkeys("0123456789", self.rule_or_item),
        }
        if mdx:
            del self.constructs["<"]

    @property
    def base(self) -> int:
        """The column at which what holds the current line begins."""
        return self.items[-1] if self.items else 0

    def run(self) -> list[Span]:
        """Read all lines."""
        number, count = 0, len(self.lines)
        while number < count:
            line = self.lines[number]
            body = line.lstrip(" \t")
            if not body:
                number += 1
                continue
            column = _indent(line)
            while self.items and column < self.items[-1]:
                self.items.pop()
            number = self.block(_Line(number, column, body))
        return self.spans

    def block(self, line: _Line, *, after_marker: bool = False) -> int:
        """Read the block that starts here; behind a list's markers, on their line, one marker more is text."""
        if line.column - self.base >= 4 and not self.mdx:
            return self.indented_code(line.number)
        is_text = after_marker and _MARKER.match(line.body)
        construct = None if is_text else self.constructs.get(line.body[0])
        after = construct(line) if construct else None
        return self.paragraph(line) if after is None else after

    def add(self, kind: BlockKind, first: int, last: int, level: int = 0) -> int:
        if self.items and kind not in ("code", "table", "quote"):
            kind, level = "list", 0
        if kind in ("list", "quote") and self.spans:
            previous = self.spans[-1]
            if previous.kind == kind and (kind == "list" or previous.last == first):
                self.spans[-1] = Span(kind, previous.first, last)
                return last
        self.spans.append(Span(kind, first, last, level))
        return last

    def atx_heading(self, line: _Line) -> int | None:
        heading = ATX.match(line.body)
        return self.add("heading", line.number, line.number + 1, len(heading[1])) if heading else None

    def definition(self, line: _Line) -> int | None:
        """`[label]: target` on a line of its own is no paragraph, so an underline below makes no heading of it."""
        return self.add("text", line.number, line.number + 1) if _DEFINITION.match(line.body) else None

    def fence(self, line: _Line) -> int | None:
        """Code up to a fence of the same character at least as long, or to the end of what holds it."""
        base = self.base
        opening = _FENCE.match(line.body)
        if not opening:
            return None
        sign, fence = opening[1][0], opening[1]
        lines = self.lines
        for number in range(line.number + 1, len(lines)):
            candidate = lines[number]
            if base and candidate and not candidate.isspace() and _indent(candidate) < base:
                return self.add("code", line.number, number)
            if sign in candidate:
                stripped = candidate.strip(" \t")
                closes = stripped.startswith(fence) and not stripped.strip(sign)
                if closes and (self.mdx or _indent(candidate) - base < 4):
                    return self.add("code", line.number, number + 1)
        return self.add("code", line.number, len(lines))

    def indented_code(self, first: int) -> int:
        base = self.base
        last = first + 1
        for number in range(first + 1, len(self.lines)):
            line = self.lines[number]
            if line and not line.isspace():
                if _indent(line) - base < 4:
                    break
                last = number + 1
        return self.add("code", first, last)

    def rule_or_item(self, line: _Line) -> int | None:
        if _RULE.match(line.body):
            return self.add("rule", line.number, line.number + 1)
        source = self.lines[line.number]
        at = len(source) - len(line.body)
        opened = 0
        while opened < MAX_MARKERS_ON_A_LINE and (marker := _MARKER.match(source, at)):
            opened += 1
            if "\t" in source:
                start, text = (len(source[:index].expandtabs(4)) for index in (marker.end(1), marker.end()))
            else:
                start, text = marker.end(1), marker.end()
            empty = marker.end() == len(source)
            self.items.append(text if 1 <= text - start <= 4 and not empty else start + 1)
            at = marker.end()
            if empty or text - start > 4:
                break
        if not opened:
            return None
        if at == len(source):
            after = self.add("list", line.number, line.number + 1)
            if after < len(self.lines) and not self.lines[after].strip(" \t"):
                self.items.pop()  # an item begins with at most one blank line (CommonMark 5.2)
            return after
        return self.block(_Line(line.number, len(source[:at].expandtabs(4)), source[at:]), after_marker=True)

    def quote(self, line: _Line) -> int:
        """The lines that begin with `>`, read as a page of their own, then those that lazily continue its paragraph."""
        base = self.base
        inner = [line.body[1:].removeprefix(" ")]
        number, count = line.number + 1, len(self.lines)
        while number < count:
            source = self.lines[number]
            body = source.lstrip(" \t")
            if not body.startswith(">") or not base <= _indent(source) < base + 4:
                break
            inner.append(body[1:].removeprefix(" "))
            number += 1
        if self.depth == MAX_NESTED_QUOTES:
            return self.add("quote", line.number, number)
        spans = Scanner(inner, mdx=self.mdx, depth=self.depth + 1).run()
        done = line.number
        for kind, first, last, _ in spans:
            if kind in ("code", "table"):
                if done < line.number + first:
                    self.add("quote", done, line.number + first)
                self.add(kind, line.number + first, line.number + last)
                done = line.number + last
        if spans and spans[-1].kind in ("text", "list", "quote") and spans[-1].last == len(inner):
            while number < count and self.continues(number):
                number += 1
        if done < number:
            self.add("quote", done, number)
        return number

    def continues(self, number: int) -> bool:
        """Tell whether a line goes on with the paragraph above it."""
        line = self.lines[number]
        body = line.lstrip(" \t")
        if not body:
            return False
        return body[0] not in _INTERRUPTING or not self.interrupts(body, _indent(line))

    def interrupts(self, body: str, column: int) -> bool:
        """Tell whether a line that isn't blank ends the paragraph above it."""
        base = self.base
        holder = base if column >= base else next((item for item in reversed(self.items) if item <= column), 0)
        if column - holder >= 4:
            return False
        sign = body[0]
        if sign in "#`~":
            return (ATX if sign == "#" else _FENCE).match(body) is not None
        if sign == "<":
            return not self.mdx and any(start.match(body) for start, _ in _HTML)
        if sign == ">" or (sign in "-*_" and _RULE.match(body)):
            return True
        marker = _MARKER.match(body)
        # Within the same container only an item with text, and numbered 1, may break into a paragraph (CommonMark 5.2).
        return marker is not None and (column < base or (marker.end() < len(body) and marker[2] in (None, "1")))

    def html(self, line: _Line) -> int | None:
        for start, last in _HTML:
            if start.match(line.body):
                return self.html_until(last, line)
        return self.html_until(None, line) if _HTML_LONE_TAG.match(line.body) else None

    def html_until(self, last: re.Pattern[str] | None, line: _Line) -> int:
        base = self.base
        if last and last.search(line.body):
            return self.add("html", line.number, line.number + 1)
        for number in range(line.number + 1, len(self.lines)):
            source = self.lines[number]
            blank = not source or source.isspace()
            if (blank and last is None) or (base and not blank and _indent(source) < base):
                return self.add("html", line.number, number)
            if last and last.search(source):
                return self.add("html", line.number, number + 1)
        return self.add("html", line.number, len(self.lines))

    def paragraph(self, line: _Line) -> int:
        """Text up to a blank line or what may interrupt it; an underline makes it a heading, dashes its end a table."""
        base = self.base
        first = line.number
        lines = self.lines
        number, count = first + 1, len(lines)
        while number < count:
            source = lines[number]
            if not source:
                break
            if source[0].isalpha():
                number += 1
                continue
            body = source.lstrip(" \t")
            if not body:
                break
            sign = body[0]
            if sign in _INTERRUPTING:
                column = _indent(source)
                inside = base <= column < base + 4
                if inside and sign in "=-" and _SETEXT.match(body):
                    return self.add("heading", first, number + 1, 1 if sign == "=" else 2)
                if inside and sign in "|:-" and self.is_table(number):
                    if first < number - 1:
                        self.add("text", first, number - 1)
                    return self.table(number)
                if self.interrupts(body, column):
                    break
            number += 1
        return self.add("text", first, number)

    def is_table(self, delimiters: int) -> bool:
        """Tell whether a line is the row of dashes under a table's head of as many cells."""
        row = self.lines[delimiters]
        head = self.lines[delimiters - 1]
        return "|" in head and _DELIMITER_ROW.match(row.strip(" \t")) is not None and _cells(head) == _cells(row)

    def table(self, delimiters: int) -> int:
        base = self.base
        number = delimiters + 1
        while number < len(self.lines):
            source = self.lines[number]
            column = _indent(source)
            if not base <= column < base + 4 or not self.continues(number):
                break
            number += 1
        return self.add("table", delimiters - 1, number)


def _cells(row: str) -> int:
    row = row.strip(" \t")
    if "\\" in row:
        row = _ESCAPED_PIPE.sub("", row)
    return row.removeprefix("|").removesuffix("|").count("|") + 1
