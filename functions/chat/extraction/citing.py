"""Find the places in documents that extracted values come from. Pure.

A model quotes the words of a passage for each value. A quotation that its passage doesn't have is left out.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from functions.chat.extraction.output_schema import pointer
from functions.chat.retrieval.search import Passage

MAX_CITATIONS = 2_000
MAX_QUOTE_CHARS = 1_000
MAX_UNCITED = 1_000

_OF_NUMBERS = re.compile(r"(?<=\d)[.,:/\-](?=\d)|(?<![^\W_])[-\u2212](?=\d)")
"""Punctuation between digits, and the signs of negative numbers."""


class ValueCitation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value comes from: the document's `text[start:end]`, in Unicode code points.

    `path` is a JSON pointer to the value, as `/items/0/price`; "" is the whole value. `page` is null for formats
    without pages.
    """

    path: str
    document_id: str
    title: str
    url: str | None
    start: int
    end: int
    page: int | None
    quote: str


class Cited(msgspec.Struct, frozen=True):
    """Checked citations, and the pointers of the values without one; null needs none."""

    citations: list[ValueCitation]
    uncited: list[str]


def check_citations(value: Any, claimed: Any, passages: Sequence[Passage]) -> Cited:
    """Check the citations that a model claims for the parts of a value."""
    found: dict[tuple[str, int, int, str], ValueCitation] = {}
    texts: dict[int, _Words] = {}
    for claim in claimed[:MAX_CITATIONS] if isinstance(claimed, list) else ():
        citation = _check(value, claim, passages, texts)
        if citation:
            found[citation.path, citation.start, citation.end, citation.document_id] = citation
    paths = {citation.path for citation in found.values()}
    covered = {path[:end] for path in paths for end in (*_slashes(path), len(path))}
    uncited = []
    for path in _leaves(value):
        ancestors = (path[:end] for end in (*_slashes(path), len(path)))
        if path not in covered and not any(ancestor in paths for ancestor in ancestors):
            uncited.append(path)
            if len(uncited) == MAX_UNCITED:
                break
    return Cited(list(found.values()), uncited)


def _check(value: Any, claim: Any, passages: Sequence[Passage], texts: "dict[int, _Words]") -> ValueCitation | None:
    if not isinstance(claim, dict):
        return None
    path, n, quote = claim.get("path"), claim.get("passage"), claim.get("quote")
    if not (isinstance(path, str) and isinstance(quote, str) and type(n) is int and 0 < n <= len(passages)):
        return None
    path = "" if path in ("", "/", "#") else path.removeprefix("#")
    passage = passages[n - 1]
    if not _exists(value, path):
        return None
    words = texts.setdefault(n, _Words(passage.text))
    place = words.find(quote[:MAX_QUOTE_CHARS])
    if place is None and _Words(passage.excerpt).find(quote[:MAX_QUOTE_CHARS]) is not None:
        place = 0, len(passage.text)  # the text has markup between the words
    if place is None:
        return None
    return ValueCitation(
        path=path,
        document_id=str(passage.document_id),
        title=passage.title,
        url=passage.url,
        start=passage.start + place[0],
        end=passage.start + place[1],
        page=passage.page,
        quote=passage.text[place[0] : place[1]][:MAX_QUOTE_CHARS],
    )


class _Words:
    """A text as its letters and digits, with their places. Punctuation counts only in numbers: 1.5 isn't 15."""

    def __init__(self, text: str) -> None:
        kept = {match.start() for match in _OF_NUMBERS.finditer(text)}
        self._places = [n for n, character in enumerate(text) if character.isalnum() or n in kept]
        # Lower case may have more characters: "\u0130" has two.
        self._text = "".join(lower if len(lower := text[n].lower()) == 1 else text[n] for n in self._places)

    def find(self, quote: str) -> tuple[int, int] | None:
        """Return the start and end of the first place where a quotation is, whole numbers only; None without one."""
        wanted = _Words(quote)._text
        start = self._text.find(wanted) if wanted else -1
        while start >= 0:
            end = start + len(wanted)
            if not (self._cuts_number(start) or self._cuts_number(end)):
                return self._places[start], self._places[end - 1] + 1
            start = self._text.find(wanted, start + 1)
        return None

    def _cuts_number(self, position: int) -> bool:
        """Return True if a number goes on across a position, without a gap in the text."""
        if not 0 < position < len(self._text) or self._places[position] != self._places[position - 1] + 1:
            return False
        before, after = self._text[position - 1], self._text[position]
        return (before.isdigit() or not before.isalnum()) and (after.isdigit() or not after.isalnum())


def _exists(value: Any, path: str) -> bool:
    if path and not path.startswith("/"):
        return False
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and re.fullmatch("[0-9]{1,6}", name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return False
    return True


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    """Yield the pointers of a value's parts that are no object, no list and not null."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, path + pointer([name]))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{n}")
    elif value is not None:
        yield path


def _slashes(path: str) -> Iterator[int]:
    return (match.start() for match in re.finditer("/", path))
