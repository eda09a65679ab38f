r"""Match paths of a source against glob patterns. Pure.

Sources choose their files with them, filters their documents.

The syntax is that of `pathlib.PurePath.full_match` (Python 3.13), with gitignore's escapes:

- A pattern matches the whole path from the source's root, with `/` as separator. Case matters, except in the file
  extension: `*.md` also matches `README.MD`.
- `*` matches any characters except `/`, `?` one of them, `[a-z]` one of a set, `[!a-z]` or `[^a-z]` one outside it.
- `**` as a whole segment matches zero or more segments: `**/*.md` also matches `README.md`.
  At the end it matches everything below: `drafts/**`, or `drafts/` for short.
- `\` escapes the next character. A leading `/` is ignored.

To match many patterns, all together are one non-deterministic automaton. Its states are the bits of an integer, so a
character of the path costs a few operations on integers for any patterns, and one dictionary look-up once the
transition is known.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

MAX_PATTERNS = 100
MAX_PATTERN_CHARS = 1_000
MAX_TOTAL_CHARS = 10_000
MAX_SETS = 50
MAX_TRANSITIONS = 10_000
"""Transitions that are remembered; then all are forgotten."""


class PatternError(ValueError):
    """A pattern is invalid. The message shows it and says why."""


class Selector(NamedTuple):
    """Predicates over paths. A file is selected if it is included and not excluded."""

    includes: Callable[[str], bool]
    excludes: Callable[[str], bool]


def compile_patterns(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a predicate over paths: one of the patterns matches. Raises PatternError.

    >>> compile_patterns(["**/*.md"])("README.md")
    True
    """
    if len(patterns) > MAX_PATTERNS:
        raise PatternError(f"there are {len(patterns)} patterns. The limit is {MAX_PATTERNS}")
    for pattern in patterns:
        if len(pattern) > MAX_PATTERN_CHARS:
            raise PatternError(f"a pattern has {len(pattern):,} characters. The limit is {MAX_PATTERN_CHARS:,}")
    if (total := sum(map(len, patterns))) > MAX_TOTAL_CHARS:
        raise PatternError(f"the patterns have {total:,} characters together. The limit is {MAX_TOTAL_CHARS:,}")
    automaton = _Automaton()
    for pattern in patterns:
        automaton.add(_tokens(_fold_extension(pattern)))
    if len(automaton.sets) > MAX_SETS:
        raise PatternError(f"the patterns have {len(automaton.sets)} character sets […]. The limit is {MAX_SETS}")

    def matches(path: str) -> bool:
        folded = _fold_extension(path)
        return automaton.matches(folded) or (folded != path and automaton.matches(path))

    return matches


def to_regex(pattern: str) -> str:
    """Translate a pattern to a regular expression of Postgres, and of Python with DOTALL. Raises PatternError.

    >>> to_regex("docs/**/*.md")
    '^docs\\\\/(?:[^/]+/)*[^/]*\\\\.[mM][dD]$'
    """
    tokens = [*_tokens(_fold_extension(pattern))]
    # The extension's letters match in any case: those after the last dot, if no `/` and no set follow it.
    dot = max((n for n, token in enumerate(tokens) if token == ("character", ".")), default=len(tokens))
    if any(token.kind in ("set", "rest") or token.text == "/" for token in tokens[dot:]):
        dot = len(tokens)
    return f"^{''.join(_expression(token, folded=n > dot) for n, token in enumerate(tokens))}$"


def _expression(token: "_Token", *, folded: bool) -> str:
    """Return the regular expression of a token."""
    match token.kind:
        case "character":
            cases = {token.text.lower(), token.text.upper()} if folded else ()
            if len(cases) == 2 and all(len(case) == 1 for case in cases):
                return f"[{token.text.lower()}{token.text.upper()}]"
            return token.text if token.text.isalnum() or not token.text.isascii() else f"\\{token.text}"
        case "set":
            return f"(?!/){token.text}"
        case kind:
            return _EXPRESSIONS[kind]


_EXPRESSIONS = {"any": "[^/]", "star": "[^/]*", "folders": "(?:[^/]+/)*", "rest": ".+"}


def _fold_extension(path: str) -> str:
    """Write the file extension of a path or pattern in lower case, unless it has a character set."""
    dot = path.rfind(".", path.rfind("/") + 1)
    extension = path[dot:]
    return path[:dot] + extension.lower() if dot >= 0 and "]" not in extension and not extension.islower() else path


class _Token(NamedTuple):
    """A part of a pattern.

    character: One character: `text`.
    any: One character except `/`.
    set: One character that the regular expression `text` matches.
    star: Any characters except `/`.
    folders: Any number of segments, each with the `/` after it.
    rest: One or more characters of any kind.
    """

    kind: Literal["character", "any", "set", "star", "folders", "rest"]
    text: str = ""


class _State(dict[str, "_State"]):
    """Positions in the patterns as bits, and the state that each character leads to."""

    __slots__ = ("automaton", "positions")

    def __init__(self, automaton: "_Automaton", positions: int) -> None:
        self.automaton = automaton
        self.positions = positions

    def __missing__(self, character: str) -> "_State":
        following = self[character] = self.automaton.step(self.positions, character)
        return following


class _Automaton:
    """Sets of positions. A path is at a position when the path so far matches the tokens before it.

    `characters`, `any`, `sets` and `everything`: a character leads from here to the next position. `stars` and
    `endless`: it leads back here. `stars` and `folders` may match nothing, so that a path here is at the token after
    them as well. A token of folders has two positions: before a segment, and within one (`within`).
    """

    def __init__(self) -> None:
        self.size = 0
        self.characters: dict[str, int] = {}
        self.any = self.everything = self.stars = self.endless = self.folders = self.within = 0
        self.sets: list[tuple[re.Pattern[str], int]] = []
        self.first = self.last = 0
        self.states: dict[int, _State] = {}
        self.transitions = 0

    def add(self, tokens: Iterable[_Token]) -> None:
        """Add a pattern."""
        self.first |= 1 << self.size
        for kind, text in tokens:
            here = 1 << self.size
            self.size += 1
            match kind:
                case "character":
                    self.characters[text] = self.characters.get(text, 0) | here
                case "any":
                    self.any |= here
                case "set":
                    self.sets.append((re.compile(text), here))
                case "star":
                    self.stars |= here
                case "folders":
                    self.any |= here
                    self.folders |= here
                    self.within |= here << 1
                    self.size += 1
                case "rest":
                    self.everything |= here
                    self.endless |= here << 1
        self.last |= 1 << self.size
        self.size += 1

    def matches(self, path: str) -> bool:
        """Return True if a pattern matches the whole path."""
        state = self.state(self.first)
        for character in path:
            state = state[character]
        return state.positions & self.last != 0

    def step(self, positions: int, character: str) -> _State:
        """Return the state after a character."""
        if self.transitions == MAX_TRANSITIONS:
            self.states.clear()
            self.transitions = 0
        self.transitions += 1
        onward = self.everything | self.characters.get(character, 0)
        if character == "/":
            stay = positions & self.endless | (positions & self.within) >> 1
        else:
            stay = positions & (self.endless | self.stars | self.within)
            onward |= self.any
            for matcher, here in self.sets:
                if matcher.match(character):
                    onward |= here
        return self.state((positions & onward) << 1 | stay)

    def state(self, positions: int) -> _State:
        """Return the state of positions, and of those that follow them without a character."""
        positions |= (positions & self.folders) << 2
        positions |= (positions & self.stars) << 1
        state = self.states.get(positions)
        if state is None:
            state = self.states[positions] = _State(self, positions)
        return state


def _tokens(pattern: str) -> Iterator[_Token]:
    """Yield the tokens of a pattern. Neither two stars nor two tokens of folders follow one another."""
    *folders, last = _segments(pattern)
    for segment in folders:
        if segment == "**":
            yield _Token("folders")
        else:
            yield from _segment_tokens(pattern, segment)
            yield _Token("character", "/")
    if last == "**":
        yield _Token("rest")
    else:
        yield from _segment_tokens(pattern, last)


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
    return [segment for segment, after in pairwise([*segments, ""]) if not segment == after == "**"]


def _segment_tokens(pattern: str, segment: str) -> Iterator[_Token]:
    """Yield the tokens of one segment."""
    position = 0
    while position < len(segment):
        character = segment[position]
        position += 1
        if character == "*":
            while segment.startswith("*", position):
                position += 1
            yield _Token("star")
        elif character == "?":
            yield _Token("any")
        elif character == "[":
            expression, position = _character_set(pattern, segment, position)
            yield _Token("set", expression)
        elif character == "\\":
            if position == len(segment):
                raise PatternError(f"{pattern!r} ends with \\. Write \\\\ for a backslash")
            yield _Token("character", segment[position])
            position += 1
        elif character in "{}":
            raise PatternError(
                f"{pattern!r} has a brace. Enter alternatives as separate patterns, or write \\{character} for a brace"
            )
        else:
            yield _Token("character", character)


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
    return f"[{'^' if negated else ''}{members}]", end + 1
