"""What MDX adds to Markdown: a page's text flows in; the same text without its JavaScript and JSX flows out.

Called by `parse`. What is left out is replaced by spaces, so that every offset stays valid: the page is stored as it was
written, while blocks, headings and links are read from the blanked text. What stands between tags stays, and so does
code. Tags whose attributes hold sentences (the rows of a table of properties) are told apart, to be a block of their own.

One pass with a stack of what is open, as a lexer has it; whatever is never closed is prose.
"""

import re
from typing import NamedTuple

from functions.collection.inline import after_code

_SPECIAL = re.compile(
    r"""
      ^(?P<esm>import|export)\b
    | ^[ \t>]*+(?:(?:[-+*]|\d{1,9}[.)])[ \t]++)*+(?P<fence>```++(?!.*`)|~~~++)
    | (?P<blank>\n[ \t]*+(?=\n))
    | (?P<comment><!--)
    | (?P<tag></?(?:[A-Za-z](?!\w*+://)[\w.:-]*+|(?=>)))
    | [\\`{}>"']
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
    """A tag or an expression that has begun; an expression may hold blank lines when it begins its line or is in a tag."""

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
        position = 0
        while match := _SPECIAL.search(self.text, position):
            position = max(self.token(match), match.start() + 1)
        return self.found

    def token(self, match: re.Match[str]) -> int:
        """Take one token and return where to go on."""
        kind, at, end = match.lastgroup, match.start(), match.end()
        in_tag = bool(self.open) and self.open[-1].sign == "<"
        if kind == "blank":
            if in_tag or (self.open and not self.open[-1].flow):
                self.open.clear()
            return end
        if kind == "esm":
            return end if self.open else self.esm(at)
        if kind == "fence":
            self.open.clear()
            return self.after_fence(match)
        if kind == "comment":
            return self.comment(at)
        if kind == "tag":
            self.begin("<", at)
            return end
        sign = match[0]
        if sign == "\\":
            return end + 1
        if sign == "`":
            return after_code(self.text, at, len(self.text), self.unclosed_ticks)
        if sign == "{":
            self.begin("{", at)
        elif sign == "}":
            self.close("{", end)
        elif in_tag and sign == ">":
            self.close("<", end)
        elif in_tag:
            return self.after_quote(sign, end)
        return end

    def begin(self, sign: str, at: int) -> None:
        within = self.open[-1] if self.open else None
        flow = within.flow or within.sign == "<" if within else self.begins_line(at)
        self.open.append(_Open(sign, at, flow))

    def begins_line(self, at: int) -> bool:
        before = self.text[max(0, at - 80) : at]
        return not before.rpartition("\n")[2].strip()

    def close(self, sign: str, end: int) -> None:
        while sign == "{" and self.open and self.open[-1].sign == "<":
            self.open.pop()
        if self.open and self.open[-1].sign == sign:
            self.found.append((self.open.pop().start, end))

    def after_quote(self, sign: str, end: int) -> int:
        """Skip an attribute's value; a quote that isn't closed within its paragraph is only a quote."""
        closing = self.text.find(sign, end)
        return closing + 1 if closing >= 0 and "\n\n" not in self.text[end:closing] else end

    def after_fence(self, match: re.Match[str]) -> int:
        fence = match["fence"]
        closing = re.compile(rf"^[ \t>]*+{fence}{fence[0]}*+[ \t]*$", re.MULTILINE).search(self.text, match.end())
        return closing.end() if closing else len(self.text)

    def comment(self, at: int) -> int:
        closing = self.text.find("-->", at) if self.comment_may_close else -1
        self.comment_may_close = closing >= 0
        if closing < 0:
            return at + 4
        self.found.append((at, closing + 3))
        return closing + 3

    def esm(self, at: int) -> int:
        """Take imports and exports: up to a blank line, or past it while a bracket is open."""
        text = self.text
        opens_paragraph = at < 2 or text[at - 2] == "\n"
        if not opens_paragraph or not _ESM.match(text, at):
            return at + 6
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
