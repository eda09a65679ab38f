"""Files that a listing left out: their counts by file extension, and the sentence that a run has about them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater.redaction import quote

MAX_KINDS = 20
"""File extensions that are counted one by one, the most frequent first."""

_SHOWN = 5
_MAX_CHARS = 30

_DOCUMENTS = frozenset(
    {
        ".adoc", ".asciidoc", ".creole", ".doc", ".docx", ".epub", ".htm", ".html", ".ipynb", ".markdown",
        ".md", ".mdown", ".mdwn", ".mdx", ".mediawiki", ".mkd", ".mkdn", ".odt", ".org", ".pdf",
        ".pod", ".qmd", ".rmd", ".rst", ".rtf", ".tex", ".textile", ".txt", ".wiki",
    }
)  # fmt: skip
"""Extensions of documents. Other files, such as code, are left out on purpose."""


class UnmatchedFiles(msgspec.Struct, frozen=True):
    """Files that the source's settings leave out. `extension` is "" for none, null for all further extensions."""

    extension: str | None
    count: int


class LeftOut(msgspec.Struct, frozen=True):
    """What a complete listing left out, as it is stored with the run. `notice` is the sentence about it, if any."""

    files: list[UnmatchedFiles]
    notice: str | None


def left_out(listed: int, unmatched: Mapping[str, int]) -> LeftOut:
    """Summarise what a complete listing of `listed` documents left out.

    There is a notice if nothing was listed, or if at least as many documents were left out as listed.
    """
    ordered = sorted(unmatched.items(), key=lambda kind: (-kind[1], kind[0]))
    files = [UnmatchedFiles(quote(extension, _MAX_CHARS), count) for extension, count in ordered[:MAX_KINDS]]
    if rest := sum(count for _, count in ordered[MAX_KINDS:]):
        files.append(UnmatchedFiles(None, rest))
    documents = [kind for kind in ordered if kind[0] in _DOCUMENTS]
    if listed == 0:
        notice = _nothing_listed(documents or ordered)
    elif documents and sum(count for _, count in documents) >= listed:
        notice = f"{_count(documents)} left out: {_kinds(documents)}. Add patterns to the source to collect them."
    else:
        notice = None
    return LeftOut(files, notice)


def _nothing_listed(kinds: Sequence[tuple[str, int]]) -> str:
    if not kinds:
        return "The source has no documents. Check its settings, such as branch, folder and patterns."
    return f"No file matches the source's patterns. {_count(kinds)} left out: {_kinds(kinds)}."


def _count(kinds: Sequence[tuple[str, int]]) -> str:
    total = sum(count for _, count in kinds)
    return "1 file is" if total == 1 else f"{total:,} files are"


def _kinds(kinds: Sequence[tuple[str, int]]) -> str:
    """Name the most frequent extensions.

    >>> _kinds([(".rst", 700), (".txt", 59), ("", 1)])
    '700 .rst, 59 .txt, 1 without an extension'
    """
    shown = [
        f"{count:,} {quote(extension, _MAX_CHARS) or 'without an extension'}" for extension, count in kinds[:_SHOWN]
    ]
    if rest := sum(count for _, count in kinds[_SHOWN:]):
        shown.append(f"{rest:,} others")
    return ", ".join(shown)


def read_left_out(value: Any) -> LeftOut:
    """Read a result of `left_out` that was stored, or null: the run has no complete listing."""
    return LeftOut([], None) if value is None else msgspec.convert(value, LeftOut)
