"""Compare two versions of a file, line by line, within bounded time. Pure."""

import difflib
import re
from typing import Literal

import msgspec

from functions.chat.files.files import as_text

MAX_LINES = 4_000
"""Lines of both versions together, without those that are equal at the beginning and at the end."""

MAX_LINE_CHARS = 500
MAX_DIFF_CHARS = 100_000

_LINE = re.compile(r"[^\n]*\n|[^\n]+")

Kind = Literal["text", "binary", "too large"]


class Diff(msgspec.Struct, frozen=True):
    """What has changed. `diff` is a unified diff, "" unless `kind` is `text`. `is_cut`: its end is left out."""

    kind: Kind
    diff: str
    added: int
    removed: int
    is_cut: bool


def compare(before: bytes, after: bytes) -> Diff:
    """Compare two contents; b"" for a file that does not exist."""
    old, new = as_text(before), as_text(after)
    if old is None or new is None:
        return Diff("binary", "", 0, 0, is_cut=False)
    lines = _LINE.findall(old), _LINE.findall(new)
    start = _common(*lines)
    end = _common(lines[0][start:][::-1], lines[1][start:][::-1])
    changed = [part[start : len(part) - end] for part in lines]
    if sum(map(len, changed)) > MAX_LINES:
        return Diff("too large", "", len(changed[1]), len(changed[0]), is_cut=False)
    # Three equal lines before and after, as diff(1) has them.
    first = max(0, start - 3)
    shown = [part[first : len(part) - end + min(end, 3)] for part in lines]
    return _unified(shown[0], shown[1], first)


def _unified(old: list[str], new: list[str], offset: int) -> Diff:
    out: list[str] = []
    added = removed = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=True).get_grouped_opcodes(3):
        spans = (group[0][1], group[-1][2], group[0][3], group[-1][4])
        out.append(f"@@ -{_range(spans[0], spans[1], offset)} +{_range(spans[2], spans[3], offset)} @@\n")
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                out += [_line(" ", line) for line in old[i1:i2]]
                continue
            out += [_line("-", line) for line in old[i1:i2]]
            out += [_line("+", line) for line in new[j1:j2]]
            removed, added = removed + i2 - i1, added + j2 - j1
    text = "".join(out)
    return Diff("text", text[:MAX_DIFF_CHARS], added, removed, is_cut=len(text) > MAX_DIFF_CHARS)


def _range(start: int, end: int, offset: int) -> str:
    """Return a hunk's range, as `_format_range_unified` of difflib does: from 1, and before the line if empty."""
    length = end - start
    first = start + offset + (1 if length else 0)
    return str(first) if length == 1 else f"{first},{length}"


def _line(sign: str, line: str) -> str:
    shown = line.rstrip("\r\n")
    cut = f"{shown[:MAX_LINE_CHARS]}…" if len(shown) > MAX_LINE_CHARS else shown
    return f"{sign}{cut}\n" if line.endswith("\n") else f"{sign}{cut}\n\\ No newline at end of file\n"


def _common(one: list[str], other: list[str]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
