"""What MDX adds to Markdown: a page's text flows in; the same text without its JavaScript and JSX flows out.

Called by `parse`. What is left out is replaced by spaces, so that every offset stays valid: the page is stored as it
was written, while blocks, headings and links are read from the blanked text. What stands between tags stays, and so
does code. Tags whose attributes hold sentences (a table of properties, say) are told apart, to be blocks of their own.

One pass with a stack of what is open, as a lexer has it; whatever is never closed is prose.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from functions.collection.parsers.markdown.inline import after_code

_SPECIAL = re.compile(
    r"""
      ^(?P<esm>import|export)\b
    | ^[ \t>]*+(?:(?:[-+*]|\d{1,9}[.)])[ \t]++)*+(?P<fence>```++(?!.*`)|~~~++)
    | (?P<blank>\n[ \t]*+(?=\n))
    | (?P<comment><!--)
    | (?P<tag></?(?:[A-Za-z](?!\w*+://)[\w.:-]*+|(?=>)))
    | (?P<escape>\\) | (?P<code>`) | (?P<brace>[{}]) | (?P<within>[>"'])
    """,
    re.MULTILINE | re.VERBOSE,
)
_ESM = re.compile(
    r"import[ \t]*+(?:[\"'{*]|type\b|[\w$]++[ \t]*+(?:,|from\b))"
    r"|export[ \t]++(?:default|const|let|var|function|async|class|type|interface|\*|\{)"
)
_ESM_TOKEN = re.compile(
    r"""(?P<blank>\n[ \t]*+(?=\n|\Z)) | [(\[{] | [)\]}]
    | "(?:[^"\\\n]|\\.)*+" | '(?:[^'\\\n]|\\.)*+' | `(?:[^`\\]|\\.)*+` | //[^\n]*+ | /\*(?:[^*]|\*(?!/))*+\*/""",
    re.VERBOSE | re.DOTALL,
)
# A quoted text that opens with a capital and has five words or more.
_SENTENCE = re.compile(r"""["'`]\s*+[A-Z](?:[^\s"`]++\s++){4}[^\s"`]""")
_NOT_NEWLINE = re.compile(r"[^\n]")


class _Open(NamedTuple):
    """A tag or an expression that has begun; an expression that begins its line or is in a tag may hold blank lines."""

    sign: str
    start: int
    flow: bool


def blank_jsx(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Replace imports, exports, tags, expressions and comments by spaces; the length and every line break stay.

    The second result are the outermost ranges of those that hold sentences, in order.
    """
    pieces: list[str] = []
    prose: list[tuple[int, int]] = []
    done = 0
    for start, end in sorted(_Lexer(text).ranges(), key=lambda found: (found[0], -found[1])):
        if start >= done:
            if text[start] == "<" and _SENTENCE.search(text, start, end):
                prose.append((start, end))
            pieces += (text[done:start], _NOT_NEWLINE.sub(" ", text[start:end]))
            done = end
    return "".join([*pieces, text[done:]]), prose


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[tuple[int, int]] = []
        self.open: list[_Open] = []
        self.unclosed_ticks: set[int] = set()
        self.esm_may_span_blank_lines = True
        self.comment_may_close = True

    def ranges(self) -> list[tuple[int, int]]:
        """Find what is no prose, as ranges in no order; they may lie within one another."""
        # Each takes a token and returns where to go on.
        tokens: dict[str | None, Callable[[re.Match[str]], int]] = {
            "esm": self.esm,
            "fence": self.fence,
            "blank": self.blank,
            "comment": self.comment,
            "tag": self.tag,
            "escape": lambda match: match.end() + 1,
            "code": lambda match: after_code(self.text, match.start(), len(self.text), self.unclosed_ticks),
            "brace": self.brace,
            "within": self.within,
        }
        position = 0
        while match := _SPECIAL.search(self.text, position):
            position = max(tokens[match.lastgroup](match), match.start() + 1)
        return self.found

    def in_tag(self) -> bool:
        return bool(self.open) and self.open[-1].sign == "<"

    def blank(self, match: re.Match[str]) -> int:
        if self.open and (self.in_tag() or not self.open[-1].flow):
            self.open.clear()
        return match.end()

    def tag(self, match: re.Match[str]) -> int:
        self.begin("<", match.start())
        return match.end()

    def brace(self, match: re.Match[str]) -> int:
        if match[0] == "{":
            self.begin("{", match.start())
        else:
            while self.in_tag():
                self.open.pop()
            self.close(match.end())
        return match.end()

    def within(self, match: re.Match[str]) -> int:
        """What means something only within a tag: its end, and values in quotes (closed in the same paragraph)."""
        if not self.in_tag():
            return match.end()
        if match[0] == ">":
            self.close(match.end())
            return match.end()
        closing = self.text.find(match[0], match.end())
        return closing + 1 if closing >= 0 and "\n\n" not in self.text[match.end() : closing] else match.end()

    def begin(self, sign: str, at: int) -> None:
        within = self.open[-1] if self.open else None
        flow = within.flow or within.sign == "<" if within else self.begins_line(at)
        self.open.append(_Open(sign, at, flow))

    def begins_line(self, at: int) -> bool:
        before = self.text[max(0, at - 80) : at]
        return not before.rpartition("\n")[2].strip()

    def close(self, end: int) -> None:
        if self.open:
            self.found.append((self.open.pop().start, end))

    def fence(self, match: re.Match[str]) -> int:
        """Skip a block of code; what was open before it was prose."""
        self.open.clear()
        fence = match["fence"]
        closing = re.compile(rf"^[ \t>]*+{fence}{fence[0]}*+[ \t]*$", re.MULTILINE).search(self.text, match.end())
        return closing.end() if closing else len(self.text)

    def comment(self, match: re.Match[str]) -> int:
        closing = self.text.find("-->", match.end()) if self.comment_may_close else -1
        self.comment_may_close = closing >= 0
        if closing < 0:
            return match.end()
        self.found.append((match.start(), closing + 3))
        return closing + 3

    def esm(self, match: re.Match[str]) -> int:
        """Take imports and exports: up to a blank line, or past it while a bracket is open."""
        text, at = self.text, match.start()
        opens_paragraph = at < 2 or text[at - 2] == "\n"
        if self.open or not opens_paragraph or not _ESM.match(text, at):
            return match.end()
        depth = 0
        first_blank = None
        for token in _ESM_TOKEN.finditer(text, at):
            if token["blank"] is not None:
                first_blank = token.start() if first_blank is None else first_blank
                if depth <= 0 or not self.esm_may_span_blank_lines:
                    return self.esm_until(at, token.start())
            elif token[0] in "([{":
                depth += 1
            elif token[0] in ")]}":
                depth -= 1
        if depth > 0 and first_blank is not None:
            self.esm_may_span_blank_lines = False
            return self.esm_until(at, first_blank)
        return self.esm_until(at, len(text))

    def esm_until(self, at: int, end: int) -> int:
        self.found.append((at, end))
        return end
