"""Split a line of a markup language into text, code and links by regular expressions. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence

from functions.collection.parsers.writer import Inline

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], Inline]]
"""A pattern and what a match of it becomes."""


def split_inlines(text: str, rules: Sequence[Rule]) -> Iterator[Inline]:
    """Yield the text between matches, and what each match becomes. The first match wins, then the first rule."""
    position = 0
    upcoming = [(pattern, make, pattern.search(text)) for pattern, make in rules]
    while True:
        found = [(match.start(), index) for index, (_, _, match) in enumerate(upcoming) if match]
        if not found:
            break
        _, index = min(found)
        _, make, match = upcoming[index]
        assert match is not None
        yield text[position : match.start()]
        yield make(match)
        position = max(match.end(), match.start() + 1)
        upcoming = [
            (one, maker, old if old is None or old.start() >= position else one.search(text, position))
            for one, maker, old in upcoming
        ]
    yield text[position:]
