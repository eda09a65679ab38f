"""Filter links and images from streamed Markdown: keep a link only to a known address. Pure.

A malicious passage could make a model write a link or an image whose address contains text of the conversation, and so
send that text to another server; an image would even be fetched without a click. So an address of a model's text
becomes a link only if exactly this address belongs to a passage, or the person who asks has written it. Other addresses
are shown as code.

Code is not changed, but only if every parser of Markdown reads it as code: a fence at the start of a line or in a list,
which its item can't end early, or a code span within a line. Anything else counts as text.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

MAX_CHARS = 4_000
"""Characters of a code span or an address, at most. Longer ones are text."""

_SPECIAL = re.compile(r"[\\`<!\]\n&]|https?://|ftp://|www\.|mailto:|xmpp:", re.IGNORECASE)
_MAYBE_ADDRESS = re.compile(
    r"(?:h(?:t(?:tp?)?)?|https?:?/?|f(?:tp?)?|ftp:/?|w{1,3}|m(?:a(?:i(?:l(?:to?)?)?)?)?|x(?:m(?:pp?)?)?)\Z",
    re.IGNORECASE,
)
_ADDRESS = re.compile(rf"[^\s<|`]{{1,{MAX_CHARS}}}")
_AFTER_ADDRESS = re.compile(r"(?:[^\w\s/?#&=%@+$~:`-]|:(?!\w)|\[\d{1,3}\])*\Z")
_TARGET = re.compile(rf"[^\s<>()]{{0,{MAX_CHARS}}}")
_LINK_TARGET = re.compile(rf"<?[^\s<>()]{{0,{MAX_CHARS}}}>?")
_ENTITY = re.compile(r"&(?:#|colon|sol;|period)")
_MAYBE_ENTITY = re.compile(r"&(?:c(?:o(?:lo?)?)?|s(?:ol?)?|p(?:e(?:r(?:io?)?)?)?)?\Z")
_BEFORE_ESCAPED = {":": ("p", "P", "s", "S", "o", "O"), "/": (":", "/"), ".": ("w", "W")}
"""Characters before an escaped one that readers may take as an address: they look for those after they have read
escapes and entities."""
_ESCAPABLE = re.compile(r"[!-/:-@\[-`{-~]")
_TICKS = re.compile(r"`+")
_FENCE = re.compile(r"(`{3,}|~{3,})(.*)\Z", re.DOTALL)
_FENCE_LIKE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t>]+)*(?:`{3}|~{3})")
_MARKER = re.compile(r"(?:[-*+]|\d{1,9}[.)]) {1,4}(?=\S)")
_EXCLAIMED_CITATION = re.compile(r"!\[\d{1,4}\](?![(\[:])")
_MAYBE_CITATION = re.compile(r"!\[\d{0,4}\]?\Z")
_CITATION_IN_TEXT = re.compile(r"[^\W\d_].*\[\d{1,4}\Z", re.DOTALL)
_LINE_CHARS = 200
_IN_TEXT = re.compile(r"https?://[^\s<>\"'`]+", re.IGNORECASE)
_TRAILING_MARKS = ".,;:!?*_~'\""
_TRAILING = ".,;:!?)]}*_~\u3002\uff0c\uff09\u3001"


class _Fence(NamedTuple):
    """An open fence: its character, its length, and the column where it begins."""

    char: str
    length: int
    column: int


def addresses_in(text: str) -> list[str]:
    """Return the addresses that a text has."""
    return [match[0].rstrip(_TRAILING) for match in _IN_TEXT.finditer(text)]


class LinkFilter:
    r"""Keeps links to `known` addresses. Call `feed` with each piece of text, then `finish`.

    - `<https://known>` and `https://known` are kept, `[a](https://known)` becomes `[a](<https://known>)`.
    - `[a](https://other)` becomes ``[a] (`https://other`)``, a bare address becomes code.
    - `![a](…)` becomes `[a](…)`: no image is left.
    - `[a]: …` becomes `[a]\: …`, and `<b` becomes `\<b`: there are no definitions of links, and no HTML.

    The output does not depend on where the text was split. At most about MAX_CHARS characters are buffered.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = {plain for url in known if (plain := normal_address(url))}
        self._buffer = ""
        self._out: list[str] = []
        self._is_start = True  # of a line
        self._line = ""  # the last characters of the current line
        self._fence: _Fence | None = None
        self._is_code_line = False
        self._item_column = 0  # where the text of the current list item begins
        self._runs: set[int] = set()  # lengths of the paragraph's runs of backticks that count as text
        self._is_unclear = False  # where code begins and ends

    def feed(self, text: str) -> str:
        """Process the next piece of text. Returns the text that is ready to send."""
        self._buffer += text
        return self._run(final=False)

    def finish(self) -> str:
        """Return the buffered rest after the last piece."""
        return self._run(final=True)

    def _run(self, *, final: bool) -> str:
        at: int | None = 0
        done = 0
        while at is not None and at < len(self._buffer):
            done = at
            if self._is_start:
                at = self._start_line(at, final)
            else:
                at = self._take_code_line(at) if self._is_code_line else self._take(at, final)
        self._buffer = self._buffer[done if at is None else at :]
        out, self._out = "".join(self._out), []
        return out

    def _emit(self, end: int, text: str) -> int:
        """Output `text` for the buffer up to `end`."""
        self._out.append(text)
        if text.endswith("\n"):
            self._is_start, self._is_code_line, self._line = True, False, ""
        else:
            self._line = (self._line + text)[-_LINE_CHARS:]
        return end

    def _start_line(self, at: int, final: bool) -> int | None:
        """Find out what a line is. Returns None if more of it is needed."""
        newline = self._buffer.find("\n", at)
        line = self._buffer[at : newline if newline >= 0 else len(self._buffer)][:MAX_CHARS]
        is_whole = final or newline >= 0 or len(line) == MAX_CHARS
        content = line.lstrip(" ")
        if not is_whole and (_FENCE_LIKE.match(line) or not line.strip(" \t>-*+0123456789.)`~")):
            return None
        self._is_start = False
        indent = len(line) - len(content)
        if len(line) == MAX_CHARS and _FENCE_LIKE.match(line):
            self._fence, self._is_unclear = None, True
        if self._fence:
            self._is_code_line = self._continue_fence(self._fence, indent, content)
            if self._is_code_line:
                return at
        if not line.strip():
            self._runs.clear()
        elif fence := self._open_fence(indent, content):
            self._fence, self._is_code_line = fence, True
        elif _FENCE_LIKE.match(line):
            self._is_unclear = True
        else:
            self._enter_item(indent, content)
        return at

    def _continue_fence(self, fence: _Fence, indent: int, content: str) -> bool:
        """Return True if a line belongs to the open fence, which its last line closes."""
        if content.strip() and indent < fence.column:
            self._fence, self._is_unclear = None, True  # the list item has ended, and the fence with it
            return False
        closing = content.rstrip(" \t")
        if indent <= fence.column + 3 and len(closing) >= fence.length and not closing.strip(fence.char):
            self._fence = None
        return True

    def _open_fence(self, indent: int, content: str) -> _Fence | None:
        if self._is_unclear or not (match := _FENCE.match(content)) or (match[1][0] == "`" and "`" in match[2]):
            return None
        if indent == 0 or (self._item_column and 0 <= indent - self._item_column <= 3):
            return _Fence(match[1][0], len(match[1]), indent)
        return None

    def _enter_item(self, indent: int, content: str) -> None:
        """Remember where the text of a list item begins."""
        if indent < self._item_column:
            self._item_column = 0
        if (marker := _MARKER.match(content)) and indent <= self._item_column + 3:
            self._item_column = indent + marker.end()

    def _take_code_line(self, at: int) -> int:
        newline = self._buffer.find("\n", at)
        end = len(self._buffer) if newline < 0 else newline + 1
        return self._emit(end, self._buffer[at:end])

    def _take(self, at: int, final: bool) -> int | None:
        """Consume the next part of ordinary text. Returns None if more text is needed."""
        special = _SPECIAL.search(self._buffer, at)
        end = special.start() if special else len(self._buffer)
        if not special and not final and (tail := _MAYBE_ADDRESS.search(self._buffer, at)):
            end = tail.start()
        if end > at:
            return self._emit(end, self._buffer[at:end])
        if special is None:
            return None
        if special[0] == "\n":
            return self._emit(at + 1, "\n")
        takers = {
            "\\": self._take_escaped,
            "&": self._take_entity,
            "`": self._take_ticks,
            "<": self._take_angle,
            "!": self._take_exclamation,
            "]": self._take_bracket,
        }
        return takers.get(special[0], self._take_address)(at, final)

    def _take_escaped(self, at: int, final: bool) -> int | None:
        if at + 1 == len(self._buffer) and not final:
            return None
        end = at + 2 if _ESCAPABLE.match(self._buffer, at + 1) else at + 1
        escaped = self._buffer[at + 1 : end]
        if escaped and self._line[-1:] in _BEFORE_ESCAPED.get(escaped, ()):
            return self._emit(end, rf"\\{escaped}")
        return self._emit(end, self._buffer[at:end])

    def _take_entity(self, at: int, final: bool) -> int | None:
        """Consume `&`, and escape it if it begins an entity that may be a part of an address."""
        rest = self._buffer[at : at + 7]
        if not final and len(rest) < 7 and not _ENTITY.match(rest) and _MAYBE_ENTITY.match(rest):
            return None
        return self._emit(at + 1, r"\&" if _ENTITY.match(rest) else "&")

    def _take_ticks(self, at: int, final: bool) -> int | None:
        """Consume a code span, or backticks that count as text."""
        run = _TICKS.match(self._buffer, at)
        assert run
        newline = self._buffer.find("\n", at)
        until = min(newline if newline >= 0 else len(self._buffer), at + MAX_CHARS)
        is_whole = final or newline >= 0 or until == at + MAX_CHARS
        if run.end() == len(self._buffer) and not is_whole:
            return None
        length = run.end() - at
        for closing in _TICKS.finditer(self._buffer, run.end(), until):
            if closing.end() - closing.start() != length or (closing.end() == until and not is_whole):
                continue
            if not self._runs and not self._is_unclear and "|" not in self._buffer[run.end() : closing.start()]:
                return self._emit(closing.end(), self._buffer[at : closing.end()])
            break
        else:
            if not is_whole:
                return None
        self._runs.add(length)
        return self._emit(run.end(), run[0])

    def _take_angle(self, at: int, final: bool) -> int | None:
        """Consume `<`: of a known address, escaped before what may be HTML or another address, or as it is."""
        if at + 1 == len(self._buffer) and not final:
            return None
        if not re.match(r"[A-Za-z/!?]", self._buffer[at + 1 : at + 2]):
            return self._emit(at + 1, "<")
        target = _match(_TARGET, self._buffer, at + 1)
        if target.end() == len(self._buffer) and not final and len(target[0]) < MAX_CHARS:
            return None
        if self._buffer.startswith(">", target.end()) and self._is_known(target[0]):
            return self._emit(target.end() + 1, self._buffer[at : target.end() + 1])
        return self._emit(at + 1, r"\<")

    def _take_exclamation(self, at: int, final: bool) -> int | None:
        """Consume `!`, and drop it before a bracket, which would be an image."""
        rest = self._buffer[at : at + 10]
        if not final and (len(rest) == 1 or (_MAYBE_CITATION.match(rest) and at + len(rest) == len(self._buffer))):
            return None
        return self._emit(at + 1, "" if rest[1:2] == "[" and not _EXCLAIMED_CITATION.match(rest) else "!")

    def _take_bracket(self, at: int, final: bool) -> int | None:
        """Consume `]` so that only a known address makes it the end of a link's text."""
        following = self._buffer[at + 1 : at + 2]
        if not following and not final:
            return None
        if following == ":":
            is_citation = _CITATION_IN_TEXT.search(self._line)
            return self._emit(at + 2, "]:" if is_citation else r"]\:")
        if following != "(":
            return self._emit(at + 1, "]")
        target = _match(_LINK_TARGET, self._buffer, at + 2)
        if target.end() == len(self._buffer) and not final and len(target[0]) < MAX_CHARS:
            return None
        url = target[0].strip("<>")
        if self._buffer.startswith(")", target.end()) and self._is_known(url):
            # In brackets, in case that this isn't the end of a link: then what follows would belong to the address.
            return self._emit(target.end() + 1, f"](<{url}>)")
        return self._emit(at + 2, "] (")

    def _take_address(self, at: int, final: bool) -> int | None:
        """Consume an address: as it is if it is known, else as code."""
        address = _match(_ADDRESS, self._buffer, at)
        if address.end() == len(self._buffer) and not final and len(address[0]) < MAX_CHARS:
            return None
        ending = _AFTER_ADDRESS.search(address[0])
        plain = (address[0][: ending.start()] if ending else "") or address[0]
        for known in filter(self._is_known, (address[0], address[0].rstrip(_TRAILING_MARKS), plain)):
            # What follows without a space must not become a part of the address.
            following = self._buffer[at + len(known) : at + len(known) + 1]
            is_alone = not following.strip() or following == "<"
            return self._emit(at + len(known), known if is_alone else f"<{known}>")
        end = at + len(plain)
        # A code span that neither earlier nor later backticks can end or extend.
        ticks = "`" * next(n for n in range(1, len(self._runs) + 2) if n not in self._runs)
        before = " " if self._line.endswith(("`", "\\")) else ""
        after = " " if self._buffer.startswith("`", end) else ""
        return self._emit(end, f"{before}{ticks}{plain}{ticks}{after}")

    def _is_known(self, url: str) -> bool:
        return normal_address(url) in self._known if url else False


def normal_address(url: str) -> str:
    """Return an address without differences that don't matter. Empty if it isn't one of the web."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
        return parts._replace(netloc=parts.netloc.lower(), path=parts.path.rstrip("/")).geturl()
    except ValueError:
        return ""


def _match(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    """Match a pattern that matches everywhere."""
    match = pattern.match(text, at)
    assert match is not None
    return match
