"""Find the imports, exports, JSX tags, expressions and comments of an MDX page.

A lexer with a stack of open tags and braces; it makes one pass, in linear time. A tag or brace that is never closed is
text.
"""

import re
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

MAX_OPEN = 500
"""Tags and braces that may be open at once. Where more are, those before are text."""

_SYNTAX = r"""
    [\n\\`<{}%s]
    (?:
        (?<=\n)(?:
            (?P<esm>import|export)\b
          | [ \t>]*+(?:(?:[-+*]|\d{1,9}[.)])[ \t]++)*(?P<fence>```++(?!.*`)|~~~++)
          | (?P<blank>[ \t]*+(?=\n))
        )
      | (?<=<)(?:(?P<comment>!--) | (?P<tag>/?(?:[A-Za-z](?!\w*+://)[\w.:-]*+|(?=>))))
      | (?<=\\)(?P<escape>.?) | (?<=`)(?P<code>`*+) | (?<=[{}])(?P<brace>) | (?<=[>"'])(?P<in_tag>)
    )
"""
_IN_TEXT = re.compile(_SYNTAX % "", re.VERBOSE)
_IN_TAG = re.compile(_SYNTAX % ">\"'", re.VERBOSE)

_ESM = re.compile(
    r"import[ \t]*+(?:[\"'{*]|type\b|[\w$]++[ \t]*+(?:,|from\b))"
    r"|export[ \t]++(?:default|const|let|var|function|async|class|type|interface|\*|\{)"
)
# A string that isn't closed ends with its line. `_ESM_END` finds the end of a template or comment.
_ESM_TOKEN = re.compile(
    r"""(?P<blank>\n[ \t]*+(?=\n|\Z)) | [(\[{] | [)\]}]
    | "[^"\\\n]*+(?:\\.[^"\\\n]*+)*"? | '[^'\\\n]*+(?:\\.[^'\\\n]*+)*'? | //[^\n]*+ | (?P<long>`|/\*)""",
    re.VERBOSE | re.DOTALL,
)
_ESM_END = {
    "`": re.compile(r"[^`\\]*+(?:\\.[^`\\]*+)*`", re.DOTALL),
    "/*": re.compile(r".*?\*/", re.DOTALL),
}

_TICKS = re.compile(r"`++")
# A single backtick pairs with none in another paragraph, list item or table row.
_CODE = re.compile(r"`(?:[^`\n]++|\n(?![ \t]*+(?:\n|[-+*|>][ \t]|\d{1,9}[.)][ \t])))+`(?!`)")


def find_jsx(text: str) -> list[tuple[int, int]]:
    """Return the ranges of what is not Markdown, in order; none overlap."""
    lexer = _Lexer(text)
    lexer.run()
    return [(start - 1, end - 1) for start, end in lexer.ranges]


class _Open(NamedTuple):
    """An open tag or brace. `flow`: it may span blank lines, as a brace does that begins a line or is in a tag."""

    sign: str
    start: int
    flow: bool


class _Lexer:
    """Collects `ranges` in order, with offsets in the text after one line break. None overlap."""

    def __init__(self, text: str) -> None:
        self.text = f"\n{text}"
        self.ranges: list[tuple[int, int]] = []
        self.open: list[_Open] = []
        self.esm_may_span_blank_lines = True
        self.comment_may_close = True
        self.unclosed: set[str] = set()  # signs of templates and comments that nothing closes any more

    def run(self) -> None:
        # Each method takes a token and returns where to continue.
        methods: dict[str | None, Callable[[re.Match[str]], int]] = {
            "esm": self.esm,
            "fence": self.fence,
            "blank": self.blank,
            "comment": self.comment,
            "tag": self.tag,
            "escape": re.Match.end,
            "code": self.code,
            "brace": self.brace,
            "in_tag": self.in_tag,
        }
        position = 0
        while match := (_IN_TAG if self.is_in_tag() else _IN_TEXT).search(self.text, position):
            position = methods[match.lastgroup](match)

    def is_in_tag(self) -> bool:
        return bool(self.open) and self.open[-1].sign == "<"

    def blank(self, match: re.Match[str]) -> int:
        if self.open and (self.is_in_tag() or not self.open[-1].flow):
            self.open.clear()
        return match.end()

    def tag(self, match: re.Match[str]) -> int:
        self.begin("<", match.start())
        return match.end()

    def brace(self, match: re.Match[str]) -> int:
        if match[0] == "{":
            self.begin("{", match.start())
        else:
            while self.is_in_tag():
                self.open.pop()
            self.close(match.end())
        return match.end()

    def in_tag(self, match: re.Match[str]) -> int:
        """End a tag, or skip a value in quotes, which must be closed in the same paragraph."""
        if match[0] == ">":
            self.close(match.end())
            return match.end()
        closing = self.text.find(match[0], match.end())
        return closing + 1 if closing >= 0 and "\n\n" not in self.text[match.end() : closing] else match.end()

    def begin(self, sign: str, at: int) -> None:
        if len(self.open) == MAX_OPEN:
            self.open.clear()
        outer = self.open[-1] if self.open else None
        flow = outer.flow or outer.sign == "<" if outer else self.begins_line(at)
        self.open.append(_Open(sign, at, flow))

    def begins_line(self, at: int) -> bool:
        before = self.text[max(0, at - 80) : at]
        return not before.rpartition("\n")[2].strip()

    def close(self, end: int) -> None:
        if self.open:
            self.add(self.open.pop().start, end)

    def add(self, start: int, end: int) -> int:
        """Add a range in place of those inside it; returns its end."""
        while self.ranges and self.ranges[-1][0] >= start:
            self.ranges.pop()
        self.ranges.append((start, end))
        return end

    def fence(self, match: re.Match[str]) -> int:
        """Skip a code block; what is open before it is text."""
        self.open.clear()
        fence = match["fence"]
        closing = re.compile(rf"^[ \t>]*+{fence[0]}{{{len(fence)},}}+[ \t]*+$", re.MULTILINE)
        end = closing.search(self.text, match.end())
        return end.end() if end else len(self.text)

    @cached_property
    def last_ticks(self) -> dict[int, int]:
        """The start of the last run of backticks of each length."""
        return {match.end() - match.start(): match.start() for match in _TICKS.finditer(self.text)}

    def code(self, match: re.Match[str]) -> int:
        """Skip a code span, or only its backticks if none close it."""
        start, after = match.span()
        if span := _CODE.match(self.text, start):
            return span.end()
        length = after - start
        if length == 1 or self.last_ticks.get(length, -1) < after:
            return after
        runs = (run.span() for run in _TICKS.finditer(self.text, after))
        return next(end for begin, end in runs if end - begin == length)

    def comment(self, match: re.Match[str]) -> int:
        closing = self.text.find("-->", match.end()) if self.comment_may_close else -1
        self.comment_may_close = closing >= 0
        return self.add(match.start(), closing + 3) if closing >= 0 else match.end()

    def esm(self, match: re.Match[str]) -> int:
        """Read imports and exports: up to a blank line, or further while a bracket is open."""
        text, start = self.text, match.start("esm")
        begins_paragraph = start < 2 or text[start - 2] == "\n"
        if self.open or not begins_paragraph or not _ESM.match(text, start):
            return match.end()
        depth = 0
        first_blank = None
        position = start
        while token := _ESM_TOKEN.search(text, position):
            position = token.end()
            if token["blank"] is not None:
                first_blank = token.start() if first_blank is None else first_blank
                if depth <= 0 or not self.esm_may_span_blank_lines:
                    return self.add(start, token.start())
            elif token["long"]:
                position = self.end_of_long(token[0], position)
            elif token[0] in "([{":
                depth += 1
            elif token[0] in ")]}":
                depth -= 1
        if depth > 0 and first_blank is not None:
            self.esm_may_span_blank_lines = False
            return self.add(start, first_blank)
        return self.add(start, len(text))

    def end_of_long(self, sign: str, position: int) -> int:
        """Return the end of a template or comment whose text starts at `position`; `position` if nothing closes it."""
        closing = None if sign in self.unclosed else _ESM_END[sign].match(self.text, position)
        if closing is None:
            self.unclosed.add(sign)
            return position
        return closing.end()
