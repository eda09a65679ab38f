"""Find encoded data in a text, such as images in Base64. It is treated as markup: not embedded, not quoted. Pure."""

import re
from collections.abc import Iterator, Sequence

Range = tuple[int, int]

MIN_CHARS = 1_000
"""Shortest data. Shorter runs may be identifiers, hashes or keys, which are searched for."""

_CHARACTERS = "A-Za-z0-9+/=_%-"
_RUN = re.compile(rf"(?<![{_CHARACTERS}])[{_CHARACTERS}]{{{MIN_CHARS},}}")
_PREFIX = re.compile(r"data:[\w.+/;=-]{0,100},\Z")
_LINES = re.compile(
    r"(?:^[ \t]*[A-Za-z0-9+/]{60,100}[ \t]*\n){17,}(?:^[ \t]*[A-Za-z0-9+/]{1,100}={0,2}[ \t]*$)?", re.MULTILINE
)
"""Lines of Base64, as in certificates and e-mails, with at least as many characters as a run."""
_LONG_LINE = re.compile(r"\n[ \t]*[A-Za-z0-9+/]{60}")
"""One of these lines, not at the start of a text. Texts without one, nearly all, are searched no further."""


def hide_encoded_data(text: str, markup: Sequence[Range], warnings: list[str]) -> tuple[Range, ...]:
    """Add the ranges of encoded data to those of markup, with a warning. Both are in order, and so is the result."""
    found = sorted((*_find_runs(text), *_find_lines(text)))
    if not found:
        return tuple(markup)
    size = sum(end - start for start, end in found)
    places = "1 place" if len(found) == 1 else f"{len(found):,} places"
    warnings.append(f"encoded data, such as Base64, is not searched: {size:,} characters in {places}")
    hidden: list[Range] = []
    for start, end in sorted((*markup, *found)):
        if hidden and start <= hidden[-1][1]:
            hidden[-1] = hidden[-1][0], max(end, hidden[-1][1])
        else:
            hidden.append((start, end))
    return tuple(hidden)


def _find_runs(text: str) -> Iterator[Range]:
    for start, end in _long_lines(text):
        for match in _RUN.finditer(text, start, end):
            prefix = _PREFIX.search(text, max(start, match.start() - 110), match.start())
            yield prefix.start() if prefix else match.start(), match.end()


def _find_lines(text: str) -> Iterator[Range]:
    if _LONG_LINE.search(text):
        yield from (match.span() for match in _LINES.finditer(text))


def _long_lines(text: str) -> Iterator[Range]:
    """Find lines that have room for a run. Skips lines in steps of its length."""
    start = 0
    while start + MIN_CHARS <= len(text):
        line_break = text.rfind("\n", start, start + MIN_CHARS)
        if line_break < 0:
            end = text.find("\n", start)
            end = end if end >= 0 else len(text)
            yield start, end
            line_break = end
        start = line_break + 1
