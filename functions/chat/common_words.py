"""Words that say little about what a question is about."""

from contextlib import suppress
from functools import cache

_CODES = {"no": "nb"}
"""Of languages that the package of stop words names otherwise."""


@cache
def common_words(languages: tuple[str, ...]) -> frozenset[str]:
    """Return the stop words of languages, and words such as "used" or "need"."""
    from stop_words import StopWordError, get_stop_words

    words: set[str] = set()
    for language in languages:
        with suppress(StopWordError):
            words.update(get_stop_words(_CODES.get(language, language)))
    return frozenset(words)
