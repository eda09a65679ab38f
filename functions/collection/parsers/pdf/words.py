"""Join words that were hyphenated at the end of a line. Pure."""

import re
from collections.abc import Sequence

from functions.collection.parsers.pdf.pages import Line

_WORDS = re.compile(r"\w+(?:-\w+)*")
_HYPHENATED = re.compile(r"(\w+)\ufffe(\w*)")
_ENDS_WITH_HYPHEN = re.compile(r"((?:\w+-)*\w+)-$")
_FIRST_WORD = re.compile(r"\w+")


def vocabulary(lines: Sequence[Line]) -> frozenset[str]:
    """Return the words in lines, except at their ends."""
    return frozenset(word.lower() for line in lines for word in _WORDS.findall(line.text.rstrip("-")))


def join_hyphenated(text: str, line: str, words: frozenset[str]) -> str:
    """Append a line to a text. A word that is split at the hyphen is joined.

    The hyphen stays if the document has the word with a hyphen elsewhere, and not the word without.

    >>> join_hyphenated("a com-", "pany of", frozenset({"of"})), join_hyphenated("a well-", "known", frozenset())
    ('a company of', 'a wellknown')
    >>> join_hyphenated("a well-", "known", frozenset({"well-known"})), join_hyphenated("1914-", "18", frozenset())
    ('a well-known', '1914-18')
    """
    line = _HYPHENATED.sub(lambda match: _join(match[1], match[2], words), line).replace("\ufffe", "")
    if not text:
        return line
    if (before := _ENDS_WITH_HYPHEN.search(text)) and (after := _FIRST_WORD.match(line)):
        return text[: before.start()] + _join(before[1], after[0], words) + line[after.end() :]
    if text.endswith(("-", "/")) and not text.endswith(" -"):
        return text + line
    return f"{text} {line}"


def _join(before: str, after: str, words: frozenset[str]) -> str:
    joined, hyphenated = before + after, f"{before}-{after}"
    if not after:
        return before
    keeps_hyphen = hyphenated.lower() in words and joined.lower() not in words
    is_word = before[-1].isalpha() and after[0].islower()
    return joined if is_word and not keeps_hyphen else hyphenated
