r"""Glob patterns over the paths of a source: patterns flow in, a test for paths flows out. Pure.

The rules, those of `pathlib.PurePath.full_match` (Python 3.13) with gitignore's escapes:

- A pattern is matched against the whole path from the root of the source, `/` separated; upper and lower case differ.
- `*` is any run of characters but `/`, `?` one of them, `[a-z]` one of a set, `[!a-z]` or `[^a-z]` one outside it.
- `**` as a whole segment is any number of segments, none included: `**/*.md` also matches `README.md`.
  At the end it is everything below: `drafts/**`, for which `drafts/` is short.
- `\` takes the next character literally. A leading `/` may be written and means nothing more.

Every pattern is matched in time linear in the path for each of its stars, however it was written: after each star the
first place that fits is as good as any other, so atomic groups forbid going back.
"""

import re
from collections.abc import Callable, Iterator, Sequence

MAX_PATTERNS = 100
MAX_PATTERN_CHARS = 1_000

_ANY = "[^/]"


class PatternError(ValueError):
    """The pattern can't be read; the message says why and shows it."""


def compile_patterns(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Build the test whether a path matches one of the patterns; raises PatternError.

    >>> compile_patterns(["**/*.md"])("README.md")
    True
    """
    if len(patterns) > MAX_PATTERNS:
        raise PatternError(f"{len(patterns)} patterns are more than the {MAX_PATTERNS} that are taken")
    if not patterns:
        return lambda _path: False
    matcher = re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns), re.DOTALL)
    return lambda path: matcher.fullmatch(path) is not None


def translate(pattern: str) -> str:
    """Write a glob pattern as a regular expression for `re.fullmatch`; raises PatternError."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise PatternError(f"a pattern of {len(pattern)} characters is longer than {MAX_PATTERN_CHARS}")
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
        raise PatternError(f"{pattern!r} names nothing")
    if text.endswith("/"):
        text += "**"
    segments = text.split("/")
    for segment in segments:
        if segment in ("", ".", ".."):
            raise PatternError(f"{pattern!r} has the segment {segment!r}, which no path has")
    return segments


def _segment(pattern: str, segment: str) -> str:
    """Translate what stands between two slashes."""
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
    """Yield `*` for a star and the expression of one character for all else."""
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
                raise PatternError(f"{pattern!r} has a \\ with nothing after it")
            yield re.escape(segment[position])
            position += 1
        elif character in "{}":
            raise PatternError(
                f"{pattern!r} has a brace; write alternatives as several patterns, and a brace itself as \\{character}"
            )
        else:
            yield re.escape(character)


def _character_set(pattern: str, segment: str, position: int) -> tuple[str, int]:
    """Translate `[…]` whose inside starts at `position`; returns the expression and where it ends."""
    negated = segment[position : position + 1] in ("!", "^")
    start = position + negated
    end = segment.find("]", start + 1)  # a first ] is a member
    if end < 0:
        raise PatternError(f"{pattern!r} has a [ without its ]; a bracket itself is written \\[")
    members, inside = "", segment[start:end]
    while inside:
        if len(inside) > 2 and inside[1] == "-":
            low, high, inside = inside[0], inside[2], inside[3:]
            if low > high:
                raise PatternError(f"{pattern!r} has the range {low}-{high}, which is backwards")
            members += f"{re.escape(low)}-{re.escape(high)}"
        else:
            members += re.escape(inside[0])
            inside = inside[1:]
    return f"(?!/)[{'^' if negated else ''}{members}]", end + 1
