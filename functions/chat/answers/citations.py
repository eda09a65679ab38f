"""Citations: a model's text flows in as it comes, the same text flows out in which each `[n]` cites a passage. Pure.

Called by `answer` on whatever a model says, and by `extract` to keep a quotation from looking like a citation.
"""

import re
from collections.abc import Collection

_INDENT = re.compile(r"[ \t>]*")
_MARKS = re.compile(r"(?:[ \t>]|[-*+](?=[ \t])|[0-9]{1,9}[.)](?=[ \t]))*")
_MAYBE_MARK = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)]?)?\Z")
_TICKS = re.compile("`+")
_FENCE = re.compile("`{3,}|~{3,}")
_MAYBE_FENCE = re.compile(r"(?:`+|~+)\Z")
_SPACES = re.compile(r"[ \t]+")
_NUMBER = r"[0-9]+(?:[ \t]*[-\u2013][ \t]*[0-9]+)?"
_CITATION = re.compile(rf"\[[ \t]*{_NUMBER}(?:[ \t]*[,;][ \t]*{_NUMBER})*[ \t]*\]")
_MAYBE_CITATION = re.compile(r"\[[0-9,; \t\u2013-]*\Z")
_PLAIN = re.compile(r"[^\\`\[ \t\n(:]+")
_LONGEST_RANGE = 50
_MOST_DIGITS = 9
"""A longer number is no passage's; Python refuses to read one of thousands of digits."""


class CitationFilter:
    r"""Lets only citations of known passages through: `feed` it the text piece by piece, then `finish`.

    - `[2]` stays if 2 is among `allowed`, else it goes, with the space before it. `[1, 3]` and `[1-3]` leave as
      `[1][3]` and `[1][2][3]`.
    - Fenced code and code spans (within a line) pass as they are, and so do `[link](url)`, `[x]`, `[^1]` and `\[1]`.
    - A citation stays one: a space keeps `[1](url)`, and `[1]: url` at the head of a line, from becoming a link that
      the model made up.

    What leaves doesn't depend on where the pieces were cut. Only what can't be decided yet is held back, to the end of
    the line at most. `cited` collects the numbers that left.
    """

    def __init__(self, allowed: Collection[int]) -> None:
        self.allowed = frozenset(allowed)
        self.cited: set[int] = set()
        self._held = ""
        self._out: list[str] = []
        self._fence = ""  # what opened the code we are in
        self._place = (
            "start"  # of a line: at its "start", at its "head" (after the marks of lists and quotations), "in"
        )
        self._after_citation = False

    def feed(self, text: str) -> str:
        """Take the next piece; return what can leave now."""
        return self._run(text, final=False)

    def finish(self) -> str:
        """Return what was held back; the text is over."""
        return self._run("", final=True)

    def _run(self, text: str, *, final: bool) -> str:
        self._held += text
        at: int | None = 0
        done = 0
        while at is not None and at < len(self._held):
            done = at
            if self._place == "start":
                at = self._take_start(at, final)
            else:
                at = self._take_code(at) if self._fence else self._take(at, final)
        self._held = self._held[done if at is None else at :]
        out, self._out = "".join(self._out), []
        return out

    def _emit(self, end: int, text: str) -> int:
        """Let `text` leave for what was held up to `end`."""
        self._out.append(text)
        self._place = "start" if text.endswith("\n") else "in"
        self._after_citation = False
        return end

    def _take_start(self, at: int, final: bool) -> int | None:
        """Take the marks at a line's start, and a fence after them; None when more must be seen."""
        marks = _match(_INDENT if self._fence else _MARKS, self._held, at).end()
        if not final and _MAYBE_MARK.match(self._held, marks):
            return None
        end = self._fence_end(marks, final)
        if end is None:
            return None
        if end > marks:
            return self._emit(end, self._held[at:end])
        self._out.append(self._held[at:marks])
        self._place = "head"
        return marks

    def _fence_end(self, at: int, final: bool) -> int | None:
        """Open or close a fence at `at`; return its end, `at` when none is there, None when more must be seen."""
        if not final and _MAYBE_FENCE.match(self._held, at):
            return None
        if (found := _FENCE.match(self._held, at)) is None:
            return at
        fence, newline = found[0], self._held.find("\n", at)
        after = self._held[found.end() : newline if newline >= 0 else None]
        whole_line = final or newline >= 0
        if self._fence:
            if after.strip() or not fence.startswith(self._fence):
                return at
        elif fence[0] == "`" and "`" in after:  # a code span that begins the line
            return at
        elif fence[0] == "~":
            whole_line = True  # what follows can't change it
        if not whole_line:
            return None
        self._fence = "" if self._fence else fence
        return found.end()

    def _take_code(self, at: int) -> int:
        newline = self._held.find("\n", at)
        end = len(self._held) if newline < 0 else newline + 1
        return self._emit(end, self._held[at:end])

    def _take(self, at: int, final: bool) -> int | None:
        """Take the next bit of ordinary text; None when more must be seen."""
        if plain := _PLAIN.match(self._held, at):
            return self._emit(plain.end(), plain[0])
        char = self._held[at]
        match char:
            case "[":
                return self._take_bracket(at, final)
            case " " | "\t":
                return self._take_spaces(at, final)
            case "`":
                return self._take_ticks(at, final)
            case "\\":
                return self._take_escaped(at, final)
        would_link = self._after_citation and (char == "(" or (char == ":" and self._place == "head"))
        return self._emit(at + 1, " " + char if would_link else char)

    def _take_spaces(self, at: int, final: bool) -> int | None:
        """Take spaces, together with the citation they may stand before."""
        end = _match(_SPACES, self._held, at).end()
        if end == len(self._held) and not final:
            return None
        if self._held.startswith("[", end):
            return self._take_bracket(at, final, bracket=end)
        return self._emit(end, self._held[at:end])

    def _take_escaped(self, at: int, final: bool) -> int | None:
        r"""Take a backslash and what it makes ordinary, such as the bracket of `\[1]`."""
        if at + 1 == len(self._held) and not final:
            return None
        end = at + 1 if self._held.startswith("\n", at + 1) else at + 2
        return self._emit(end, self._held[at:end])

    def _take_ticks(self, at: int, final: bool) -> int | None:
        """Take a code span, or backticks that open none."""
        ticks = _match(_TICKS, self._held, at)
        newline = self._held.find("\n", at)
        if ticks.end() < len(self._held):
            for closing in _TICKS.finditer(self._held, ticks.end(), newline if newline >= 0 else len(self._held)):
                if len(closing[0]) == len(ticks[0]) and (final or closing.end() < len(self._held)):
                    return self._emit(closing.end(), self._held[at : closing.end()])
        return self._emit(ticks.end(), ticks[0]) if final or newline >= 0 else None

    def _take_bracket(self, at: int, final: bool, bracket: int | None = None) -> int | None:
        """Take a citation, or a bracket that is none, with the spaces from `at` to `bracket`."""
        bracket = at if bracket is None else bracket
        if found := _CITATION.match(self._held, bracket):
            cited = [n for n in _numbers(found[0]) if n in self.allowed]
            self.cited.update(cited)
            if cited:
                self._out.append(self._held[at:bracket] + "".join(f"[{n}]" for n in cited))
            self._after_citation = True
            return found.end()
        if not final and _MAYBE_CITATION.match(self._held, bracket):
            return None
        return self._emit(bracket + 1, self._held[at : bracket + 1])


def _numbers(citation: str) -> list[int]:
    """List the numbers of `[1, 3-5]` in order, each once."""
    numbers: dict[int, None] = {}
    for part in re.split("[,;]", citation.strip("[]")):
        first, _, last = part.replace("\u2013", "-").partition("-")
        ends = first.strip(), (last or first).strip()
        if max(map(len, ends)) > _MOST_DIGITS:
            continue
        low, high = map(int, ends)
        numbers.update(dict.fromkeys(range(low, min(high, low + _LONGEST_RANGE) + 1)))
    return list(numbers)


def _match(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    """Match what always matches."""
    found = pattern.match(text, at)
    assert found is not None
    return found
