"""Filter citations from streamed text: keep `[n]` only if passage n was retrieved. Pure, in linear time.

The extractive model uses the filter too, to reject quotations that look like citations.
"""

import re
from collections.abc import Collection

_INDENT = re.compile(r"[ \t>]*")
_MARKS = re.compile(r"(?:[ \t>]++|[-*+](?=[ \t])|[0-9]{1,9}[.)](?=[ \t]))*")
_MAYBE_MARK = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)]?)?\Z")
_TICKS = re.compile("`+")
_FENCE = re.compile("`{3,}|~{3,}")
_MAYBE_FENCE = re.compile(r"(?:`+|~+)\Z")
_SPACES = re.compile(r"[ \t]+")
_NUMBER = r"[0-9]+(?:[ \t]*[-\u2013][ \t]*[0-9]+)?"
_CITATION = re.compile(rf"\[[ \t]*{_NUMBER}(?:[ \t]*[,;][ \t]*{_NUMBER})*[ \t]*\]")
_MAYBE_CITATION = re.compile(r"\[[0-9,; \t\u2013-]*\Z")
_PLAIN = re.compile(r"[^\\`\[ \t\n(:]+")
_SMALL_BUFFER = 1_000
_MAX_RANGE = 50
_MAX_DIGITS = 9
"""Longer numbers are ignored; Python refuses to parse thousands of digits."""


class CitationFilter:
    r"""Removes citations of unknown passages from text. Call `feed` with each piece of text, then `finish`.

    - `[2]` is kept if 2 is in `allowed`; otherwise it is removed, with the space before it. `[1, 3]` and `[1-3]` become
      `[1][3]` and `[1][2][3]`.
    - Fenced code and code spans within a line are unchanged, and so are `[link](url)`, `[x]`, `[^1]` and `\[1]`.
    - A space is inserted into `[1](url)`, and into `[1]: url` at the start of a line, so that a citation never becomes
      a link that the model invented.

    The output does not depend on where the text was split. Undecided text is buffered, at most to the end of its line.
    A large buffer is read again only when a line ends or an eighth was added, so that long lines take linear time.
    `cited` collects the numbers that were kept.
    """

    def __init__(self, allowed: Collection[int]) -> None:
        self.allowed = frozenset(allowed)
        self.cited: set[int] = set()
        self._buffer = ""
        self._added: list[str] = []  # to the buffer, since it was read
        self._added_chars = 0
        self._line_end = -1  # of the current line in the buffer
        self._last_ticks: dict[int, int] = {}  # the last run of backticks in the line, by length
        self._out: list[str] = []
        self._fence = ""  # the fence that opened the current code block
        # Where in a line: at its "start", at its "head" (after the marks of lists and quotations), or "in" it.
        self._position = "start"
        self._after_citation = False

    def feed(self, text: str) -> str:
        """Process the next piece of text. Returns the text that is ready to send."""
        self._added.append(text)
        self._added_chars += len(text)
        buffered = len(self._buffer)
        if buffered > _SMALL_BUFFER and "\n" not in text and self._added_chars * 8 < buffered:
            return ""
        return self._run(final=False)

    def finish(self) -> str:
        """Return the buffered rest after the last piece."""
        return self._run(final=True)

    def _run(self, *, final: bool) -> str:
        self._buffer = "".join([self._buffer, *self._added])
        self._added, self._added_chars, self._line_end = [], 0, -1
        at: int | None = 0
        done = 0
        while at is not None and at < len(self._buffer):
            done = at
            if at > self._line_end:
                self._read_line(at, final)
            if self._position == "start":
                at = self._take_start(at, final)
            else:
                at = self._take_code(at) if self._fence else self._take(at, final)
        self._buffer = self._buffer[done if at is None else at :]
        out, self._out = "".join(self._out), []
        return out

    def _read_line(self, at: int, final: bool) -> None:
        """Find the end of the line, and the runs of backticks in it that don't grow any more."""
        newline = self._buffer.find("\n", at)
        self._line_end = newline if newline >= 0 else len(self._buffer)
        runs = (run.span() for run in _TICKS.finditer(self._buffer, at, self._line_end))
        self._last_ticks = {end - start: start for start, end in runs if final or end < len(self._buffer)}

    def _emit(self, end: int, text: str) -> int:
        """Output `text` for the buffer up to `end`."""
        self._out.append(text)
        self._position = "start" if text.endswith("\n") else "in"
        self._after_citation = False
        return end

    def _take_start(self, at: int, final: bool) -> int | None:
        """Consume the marks at the start of a line, and a fence after them. Returns None if more text is needed."""
        marks = _match(_INDENT if self._fence else _MARKS, self._buffer, at).end()
        if not final and _MAYBE_MARK.match(self._buffer, marks):
            return None
        end = self._fence_end(marks, final)
        if end is None:
            return None
        if end > marks:
            return self._emit(end, self._buffer[at:end])
        self._out.append(self._buffer[at:marks])
        self._position = "head"
        return marks

    def _fence_end(self, at: int, final: bool) -> int | None:
        """Open or close a fence at `at`. Returns its end, `at` if there is no fence, None if more text is needed."""
        if not final and _MAYBE_FENCE.match(self._buffer, at):
            return None
        if (match := _FENCE.match(self._buffer, at)) is None:
            return at
        fence, after = match[0], self._buffer[match.end() : self._line_end]
        whole_line = final or self._line_end < len(self._buffer)
        if self._fence:
            if after.strip() or not fence.startswith(self._fence):
                return at
        elif fence[0] == "`" and "`" in after:  # a code span that begins the line
            return at
        elif fence[0] == "~":
            whole_line = True  # the rest of the line does not matter
        if not whole_line:
            return None
        self._fence = "" if self._fence else fence
        return match.end()

    def _take_code(self, at: int) -> int:
        end = min(self._line_end + 1, len(self._buffer))
        return self._emit(end, self._buffer[at:end])

    def _take(self, at: int, final: bool) -> int | None:
        """Consume the next part of ordinary text. Returns None if more text is needed."""
        if plain := _PLAIN.match(self._buffer, at):
            return self._emit(plain.end(), plain[0])
        char = self._buffer[at]
        match char:
            case "[":
                return self._take_bracket(at, final)
            case " " | "\t":
                return self._take_spaces(at, final)
            case "`":
                return self._take_ticks(at, final)
            case "\\":
                return self._take_escaped(at, final)
        would_link = self._after_citation and (char == "(" or (char == ":" and self._position == "head"))
        return self._emit(at + 1, " " + char if would_link else char)

    def _take_spaces(self, at: int, final: bool) -> int | None:
        """Consume spaces, and the citation after them if there is one."""
        end = _match(_SPACES, self._buffer, at).end()
        if end == len(self._buffer) and not final:
            return None
        if self._buffer.startswith("[", end):
            return self._take_bracket(at, final, bracket=end)
        return self._emit(end, self._buffer[at:end])

    def _take_escaped(self, at: int, final: bool) -> int | None:
        r"""Consume a backslash and the character it escapes, such as the bracket of `\[1]`."""
        if at + 1 == len(self._buffer) and not final:
            return None
        end = at + 1 if self._buffer.startswith("\n", at + 1) else at + 2
        return self._emit(end, self._buffer[at:end])

    def _take_ticks(self, at: int, final: bool) -> int | None:
        """Consume a code span, or backticks that open none."""
        end = _match(_TICKS, self._buffer, at).end()
        length = end - at
        if self._last_ticks.get(length, -1) > at:
            closings = (run.span() for run in _TICKS.finditer(self._buffer, end, self._line_end))
            end = next(last for first, last in closings if last - first == length)
            return self._emit(end, self._buffer[at:end])
        is_decided = final or self._line_end < len(self._buffer)
        return self._emit(end, self._buffer[at:end]) if is_decided else None

    def _take_bracket(self, at: int, final: bool, bracket: int | None = None) -> int | None:
        """Consume a citation, or another bracket, with the spaces from `at` to `bracket`."""
        bracket = at if bracket is None else bracket
        if match := _CITATION.match(self._buffer, bracket):
            cited = [n for n in _numbers(match[0]) if n in self.allowed]
            self.cited.update(cited)
            if cited:
                self._out.append(self._buffer[at:bracket] + "".join(f"[{n}]" for n in cited))
            self._after_citation = True
            return match.end()
        if not final and _MAYBE_CITATION.match(self._buffer, bracket):
            return None
        return self._emit(bracket + 1, self._buffer[at : bracket + 1])


def _numbers(citation: str) -> list[int]:
    """Return the numbers of a citation such as `[1, 3-5]`, in order and without repeats."""
    numbers: dict[int, None] = {}
    for part in re.split("[,;]", citation.strip("[]")):
        first, _, last = part.replace("\u2013", "-").partition("-")
        ends = first.strip(), (last or first).strip()
        if max(map(len, ends)) > _MAX_DIGITS:
            continue
        low, high = map(int, ends)
        numbers.update(dict.fromkeys(range(low, min(high, low + _MAX_RANGE) + 1)))
    return list(numbers)


def _match(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    """Match a pattern that matches everywhere."""
    match = pattern.match(text, at)
    assert match is not None
    return match
