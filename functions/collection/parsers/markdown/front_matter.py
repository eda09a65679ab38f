"""Read YAML front matter as values that JSON can store, of limited size and depth. Pure."""

import base64
import datetime
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_YAML_CHARS = 262_144
MAX_SIZE = 2 * MAX_YAML_CHARS
"""Limit of values plus their characters, with aliases expanded."""
MAX_DEPTH = 20
MAX_NESTING = 100
"""Deeper YAML isn't loaded: PyYAML recurses once per level, and its C loader would overflow the stack."""

_OPENING = re.compile(r"---[ \t]*\n")
_CLOSING = re.compile(r"^---[ \t]*$", re.MULTILINE)
_FIRST_KEY = re.compile(r"\s*(?:#[^\n]*\n\s*)*[\w\"'{][^\n:]{0,60}:(?:\s|$)")
_INLINE_NESTING = re.compile(rf"(?:[-?:][ \t]++|[\[{{]\s*+){{{MAX_NESTING}}}")
_BRACKET = re.compile(r"[\[\]{}]")
_TOO_BIG = "it nests too deep or expands to too many values"
# PyYAML raises these for a value that doesn't fit its tag, such as `!!bool maybe` or `2024-13-45`.
_VALUE_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_SURROGATE_OR_NUL = re.compile("[\0\ud800-\udfff]")


class FrontMatter(NamedTuple):
    """The values, which JSON can store, and the offset in the text where the body starts."""

    values: dict[str, Any]
    body_start: int
    warning: str | None


class _Unreadable(Exception):
    """The front matter can't be read; the message is the reason."""


def read_front_matter(text: str) -> FrontMatter:
    """Read the block between `---` lines at the start of a page.

    A block that neither is a mapping nor looks like an invalid one follows a thematic break: the body starts at 0. An
    invalid mapping isn't part of the body. Both have a warning.
    """
    opening = _OPENING.match(text)
    # The closing line may follow at once: `---\n---` is an empty block.
    closing = opening and _CLOSING.search(text, opening.end(), opening.end() + MAX_YAML_CHARS)
    if not opening or not closing:
        return FrontMatter({}, 0, None)
    source = text[opening.end() : closing.start()]
    body_start = min(closing.end() + 1, len(text))
    try:
        loaded = _load(source)
    except _Unreadable as error:
        if not _FIRST_KEY.match(source):
            body_start = 0
        return FrontMatter({}, body_start, f"front matter ignored: {error}")
    if loaded is None:
        return FrontMatter({}, body_start, None)
    if not isinstance(loaded, dict):
        return FrontMatter({}, 0, f"front matter ignored: it is a {type(loaded).__name__}, not a mapping")
    return FrontMatter(loaded, body_start, None)


def _load(source: str) -> Any:
    import yaml  # only needed for pages with front matter

    if _nests_too_deep(source):
        raise _Unreadable(_TOO_BIG)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Converter().convert(yaml.load(source, loader))  # noqa: S506 (both loaders are safe)
    except yaml.MarkedYAMLError as error:
        # The block's first line is the file's second.
        line = f" on line {error.problem_mark.line + 2}" if error.problem_mark else ""
        raise _Unreadable(f"{error.problem}{line}") from error
    except (yaml.YAMLError, *_VALUE_ERRORS) as error:
        raise _Unreadable(str(error).partition("\n")[0] or type(error).__name__) from error


def _nests_too_deep(source: str) -> bool:
    """Estimate the nesting without recursion. Brackets in strings count, so the estimate may be too high."""
    if source.count("[") + source.count("{") > MAX_NESTING:
        depth = 0
        for bracket in _BRACKET.findall(source):
            depth += 1 if bracket in "[{" else -1
            if depth > MAX_NESTING:
                return True
    return _INLINE_NESTING.search(source) is not None


class _Converter:
    """Converts YAML's values to JSON's and counts their size."""

    def __init__(self) -> None:
        self.size = 0

    def convert(self, value: Any, depth: int = 0) -> Any:
        self.size += 1
        if self.size > MAX_SIZE or depth > MAX_DEPTH:
            raise _Unreadable(_TOO_BIG)
        if isinstance(value, Mapping):
            return {str(self.scalar(key)): self.convert(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.convert(item, depth + 1) for item in value]
        return self.scalar(value)

    def scalar(self, value: Any) -> str | int | float | bool | None:
        if isinstance(value, str):
            self.size += len(value)
            return _SURROGATE_OR_NUL.sub("", value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if -(2**63) <= value < 2**63 else str(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, datetime.date | datetime.datetime):
            return value.isoformat()
        return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
