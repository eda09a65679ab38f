r"""Match paths of a source against glob patterns. Pure.

The syntax is that of `pathlib.PurePath.full_match` (Python 3.13), with gitignore's escapes:

- A pattern matches the whole path from the source's root, with `/` as separator. Case matters.
- `*` matches any characters except `/`, `?` one of them, `[a-z]` one of a set, `[!a-z]` or `[^a-z]` one outside it.
- `**` as a whole segment matches zero or more segments: `**/*.md` also matches `README.md`.
  At the end it matches everything below: `drafts/**`, or `drafts/` for short.
- `\` escapes the next character. A leading `/` is ignored.

Matching takes linear time in the path for each star of the pattern. After a star, the first position where the rest
matches is as good as any other, so atomic groups prevent backtracking.
"""

import re
from collections.abc import Callable, Iterator, Sequence

MAX_PATTERNS = 100
MAX_PATTERN_CHARS = 1_000

_ANY = "[^/]"


class PatternError(ValueError):
    """A pattern is invalid. The message shows it and says why."""


def compile_patterns(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a predicate over paths: one of the patterns matches. Raises PatternError.

    >>> compile_patterns(["**/*.md"])("README.md")
    True
    """
    if len(patterns) > MAX_PATTERNS:
        raise PatternError(f"there are {len(patterns)} patterns. The limit is {MAX_PATTERNS}")
    if not patterns:
        return lambda _path: False
    matcher = re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns), re.DOTALL)
    return lambda path: matcher.fullmatch(path) is not None


def translate(pattern: str) -> str:
    """Translate a glob pattern to a regular expression for `re.fullmatch`. Raises PatternError."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise PatternError(f"a pattern has {len(pattern)} characters. The limit is {MAX_PATTERN_CHARS}")
    segments = _segments(pattern)
    runs: list[list[str]] = [[]]  # the segments between one `**` and the next
    for segment in segments:
        if segment != "**":
            runs[-1].append(_segment(pattern, segment))
        elif len(runs) == 1 or runs[-1]:
            runs.append([])
    first, *later = ["/".join(run) for run in runs]
    if not later:
        return first
    *middle, last = later
    head = f"{first}/" if first else ""
    between = "".join(f"(?>(?:{_ANY}+/)*?{run}/)" for run in middle)
    return head + between + (f"(?:{_ANY}+/)*{last}" if last else ".+")


def _segments(pattern: str) -> list[str]:
    text = pattern.removeprefix("/")
    if not text:
        raise PatternError(f"{pattern!r} is an empty pattern")
    if text.endswith("/"):
        text += "**"
    segments = text.split("/")
    for segment in segments:
        if segment in ("", ".", ".."):
            raise PatternError(f"{pattern!r} has the segment {segment!r}, which matches no path")
    return segments


def _segment(pattern: str, segment: str) -> str:
    """Translate one segment of a pattern."""
    pieces: list[str] = [""]  # the fixed parts between one star and the next
    for part in _parts(pattern, segment):
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part
    first, *later = pieces
    if not later:
        return first
    *middle, last = later
    return first + "".join(f"(?>{_ANY}*?{piece})" for piece in middle if piece) + f"{_ANY}*{last}"


def _parts(pattern: str, segment: str) -> Iterator[str]:
    """Yield `*` for each star and a regular expression for each other character."""
    position = 0
    while position < len(segment):
        character = segment[position]
        position += 1
        if character == "*":
            yield "*"
        elif character == "?":
            yield _ANY
        elif character == "[":
            expression, position = _character_set(pattern, segment, position)
            yield expression
        elif character == "\\":
            if position == len(segment):
                raise PatternError(f"{pattern!r} ends with \\. Write \\\\ for a backslash")
            yield re.escape(segment[position])
            position += 1
        elif character in "{}":
            raise PatternError(
                f"{pattern!r} has a brace. Enter alternatives as separate patterns, or write \\{character} for a brace"
            )
        else:
            yield re.escape(character)


def _character_set(pattern: str, segment: str, position: int) -> tuple[str, int]:
    """Translate a set `[…]` whose members start at `position`; returns the expression and the position after it."""
    negated = segment[position : position + 1] in ("!", "^")
    start = position + negated
    end = segment.find("]", start + 1)  # a ] at the start is a member
    if end < 0:
        raise PatternError(f"{pattern!r} has a [ without ]. Write \\[ for a bracket")
    members, inside = "", segment[start:end]
    while inside:
        if len(inside) > 2 and inside[1] == "-":
            low, high, inside = inside[0], inside[2], inside[3:]
            if low > high:
                raise PatternError(f"{pattern!r} has the reversed range {low}-{high}")
            members += f"{re.escape(low)}-{re.escape(high)}"
        else:
            members += re.escape(inside[0])
            inside = inside[1:]
    return f"(?!/)[{'^' if negated else ''}{members}]", end + 1
