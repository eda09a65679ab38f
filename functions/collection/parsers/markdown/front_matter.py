"""YAML front matter: the decoded text of a page flows in; its metadata and where the body starts flow out.

Called by `parse`. The metadata is safe to store as JSON and bounded in size, whatever the page's author wrote.
"""

import base64
import datetime
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_YAML_CHARS = 262_144
# What the values may grow to once aliases are expanded: one for each value and one for each of its characters.
MAX_SIZE = 2 * MAX_YAML_CHARS
MAX_DEPTH = 20
# The loaders recurse once per level, the C one on the C stack: what nests deeper never reaches them.
MAX_NESTING = 100

_OPENING = re.compile(r"---[ \t]*\n")
_CLOSING = re.compile(r"^---[ \t]*$", re.MULTILINE)
_FIRST_KEY = re.compile(r"\s*(?:#[^\n]*\n\s*)*[\w\"'{][^\n:]{0,60}:(?:\s|$)")
_INLINE_NESTING = re.compile(rf"(?:[-?:][ \t]++|[\[{{]\s*+){{{MAX_NESTING}}}")
_BRACKET = re.compile(r"[\[\]{}]")
_TOO_BIG = "it nests too deep or expands to too many values"
# What PyYAML's constructors let slip when a value doesn't suit its tag, as in `!!bool maybe` or `2024-13-45`.
_UNTAGGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_SURROGATE_OR_NUL = re.compile("[\0\ud800-\udfff]")


class FrontMatter(NamedTuple):
    """What stood above the body: `values` are JSON-safe, `body_start` is an offset in the text read."""

    values: dict[str, Any]
    body_start: int
    warning: str | None


class _Unreadable(Exception):
    """The block can't become metadata; the message says why."""


def read_front_matter(text: str) -> FrontMatter:
    """Read the `---` block at the top of a page.

    A block that isn't a mapping, nor looks like a broken one, is a page that opens with a thematic break: its body
    starts at 0. A mapping that can't be read is left out of the body. Both are named in the warning.
    """
    opening = _OPENING.match(text)
    # The opening line's own end counts as the start of the closing one's: `---\n---` is an empty block.
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
    import yaml  # only pages with front matter need it

    if _nests_too_deep(source):
        raise _Unreadable(_TOO_BIG)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Safe().convert(yaml.load(source, loader))  # noqa: S506 (a safe loader in either form)
    except yaml.MarkedYAMLError as error:
        # The block's first line is the file's second.
        line = f" on line {error.problem_mark.line + 2}" if error.problem_mark else ""
        raise _Unreadable(f"{error.problem}{line}") from error
    except (yaml.YAMLError, *_UNTAGGED) as error:
        raise _Unreadable(str(error).partition("\n")[0] or type(error).__name__) from error


def _nests_too_deep(source: str) -> bool:
    """Tell cheaply, before any parser recurses; brackets inside quotes count too, which only errs to the safe side."""
    if source.count("[") + source.count("{") > MAX_NESTING:
        depth = 0
        for bracket in _BRACKET.findall(source):
            depth += 1 if bracket in "[{" else -1
            if depth > MAX_NESTING:
                return True
    return _INLINE_NESTING.search(source) is not None


class _Safe:
    """Turns what YAML can hold into what JSON can, counting as it goes."""

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
