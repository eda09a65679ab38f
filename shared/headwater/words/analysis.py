"""Cut texts into words for full-text search. Pure.

A word is found in any case, with or without accents, and in its inflected forms in the text's language. A name such as
`std::vector`, `MessageDigestFunction`, `snake_case` or `PPR-9087` is found as it is written and by each of its parts.
Scripts without spaces between words are cut into pairs of characters. An emoji is a word, in any skin tone.

Analysis does not depend on the database, so an embedded and a hosted Postgres find the same.
"""

import re
import threading
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain, islice
from struct import pack
from typing import NamedTuple, TypeVar

T = TypeVar("T")

WORD_IDS = 1_000_000_000
"""Words are numbered from 1 to this, by a hash: the dimensions that pgvector's sparsevec allows."""

MAX_NAME_CHARS = 64
"""A longer name, such as a URL, is found by its parts only."""

MAX_COUNT = 32_767
"""How often a word counts in a chunk, and how long a chunk is for BM25, at most."""

MAX_DISTINCT = 8_000
"""Distinct words of a chunk that are counted. pgvector stores at most 16,000."""

STEMMERS = {
    "ar": "arabic",
    "bs": "serbian",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hr": "serbian",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Snowball's stemmer of each language, by ISO 639-1 code. That of Serbian is for Bosnian and Croatian, too."""

TRUNCATED = frozenset(("be", "bg", "lv", "mk", "sk", "sl", "tr", "uk"))
"""Languages with many endings whose words are cut after STEM_CHARS letters: those without a stemmer, and Turkish, whose
stemmer finds less. Words of languages that are neither here nor in STEMMERS stay as they are."""

STEM_CHARS = 5
"""About as good as a stemmer in Slavic languages that have one (docs/decisions/0055)."""

DEFAULT_LANGUAGE = "en"
"""Language of texts whose language can't be detected."""

_WITHOUT_SPACES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "\uac00-\ud7af"  # Korean, whose words take endings
)

_NAME = r"{word}(?:(?:[-./:+@&\\]|::|->){word})*(?:\+\+|#(?!\w))?"

_ASCII_NAMES = re.compile(_NAME.format(word=r"\w+"), re.ASCII)

_ASCII_WORD = re.compile(r"\w+(?:\+\+|#)?", re.ASCII)

_TYPOGRAPHIC = str.maketrans(dict.fromkeys("\u2018\u2019\u201c\u201d\u2013\u2014\u2026", " "))
"""Quotation marks, dashes and ellipses, which no word contains."""

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]")
"""Soft hyphens, zero-width spaces and joiners, marks of direction, and variation selectors, as after emoji."""

EMOJI = "\u231a\u231b\u23e9-\u23fa\u2600-\u2775\u2794-\u27bf\u2b50\u2b55\U0001f300-\U0001f3fa\U0001f400-\U0001faff"
"""Emoji, and symbols that are used like them, for a set of a regular expression."""

FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"
"""Two of them are a flag."""

_EMOJI = re.compile(f"[{FLAG_LETTERS}]{{2}}|[{EMOJI}]")
"""An emoji or a flag, without modifiers such as skin tones. Joined emoji are several."""

_VERSION = re.compile(r"v?(\d+\.\d.*)", re.ASCII)
"""A version, which some write with a `v`: `v0.10.3`."""

# Between the parts of `MessageDigestFunction`, `HTTPServer` and `snake_case`.
_BETWEEN_PARTS = re.compile(r"_+|(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_MAX_CACHED = 200_000
"""Names and words whose ids are kept in memory, of all languages: in about 30 MB."""

_INDIC_START = "\u0900"
"""Marks from here on spell vowels and tones. Those before are accents, and vowel signs that are usually not written."""


class QueryWord(NamedTuple):
    """A word of a question: its text in lower case, and the ids it may have in texts of several languages."""

    text: str
    ids: frozenset[int]


def count_words(text: str, language: str) -> dict[int, int]:
    """Count the words of a text in a language: word ids with how often they occur, at most MAX_COUNT times.

    An emoji counts once: BM25 would rank a table lower that has a check mark in each cell, as a longer text.
    """
    counts = Counter(chain.from_iterable(map(_ids_of(language).__getitem__, names(text))))
    counts.update({word_id(emoji) for emoji in find_emoji(text)})
    if len(counts) <= MAX_DISTINCT and max(counts.values(), default=0) <= MAX_COUNT:
        return dict(counts)
    return {word: min(n, MAX_COUNT) for word, n in islice(counts.items(), MAX_DISTINCT)}


def word_sequence(text: str, language: str) -> list[int]:
    """Return the ids of the words of a text in their order. A name is followed by its parts."""
    return [*chain.from_iterable(map(_ids_of(language).__getitem__, names(text)))]


def count_chunk_words(key: str, title: str, heading_path: Sequence[str], text: str, *, language: str) -> dict[int, int]:
    """Count the words that a chunk is found by: those of its text, its headings, and its document's title and key.

    The folders and the file name of a key are names of their own, the latter with and without its extension.
    """
    folders, _, name = key.rpartition("/")
    parts = (title, *heading_path, text, *folders.split("/"), name, name.rpartition(".")[0])
    return count_words("\n".join(parts), language)


def query_words(text: str, languages: Sequence[str]) -> list[QueryWord]:
    """Return the distinct words of a question, in their order, as they are looked up in texts of these languages.

    A version is found with and without its `v`. Emoji come last.
    """
    words: dict[str, QueryWord] = {}
    for name in names(text):
        for word in _words(name):
            ids = (_stem_id(code, spelling) for code in languages for spelling in _spellings(word))
            words.setdefault(word, QueryWord(word, frozenset(ids)))
    words.update({emoji: QueryWord(emoji, frozenset((word_id(emoji),))) for emoji in find_emoji(text)})
    return list(words.values())


def names(text: str) -> list[str]:
    """Return the names of a text: words, and words joined by signs without a space, such as `std::vector`."""
    if text.isascii():
        return _ASCII_NAMES.findall(text)
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHIC))
    return (_ASCII_NAMES if text.isascii() else _names()).findall(text)


def find_emoji(text: str) -> list[str]:
    """Return the emoji of a text, without variation selectors and skin tones."""
    return [] if text.isascii() else _EMOJI.findall(text)


def is_pair(word: str) -> bool:
    """Return True for a pair of characters of a script without spaces."""
    return len(word) == 2 and _unspaced().match(word) is not None


def word_id(word: str) -> int:
    """Number a word, from 1 to WORD_IDS. In a vocabulary of a million words, one in a thousand shares its number."""
    return zlib.crc32(word.encode()) % WORD_IDS + 1


def binary_vector(counts: Mapping[int, int]) -> bytes:
    """Encode the counts of words in the binary format of pgvector's sparsevec, which counts words from 0.

    Source: its `sparsevec_recv`: the dimensions, the number of words, zero, the words in order, their counts.
    """
    words = sorted(counts)
    n = len(words)
    return pack(f">3i{n}i{n}f", WORD_IDS, n, 0, *[word - 1 for word in words], *[counts[word] for word in words])


def sparse_vector(counts: Mapping[int, int]) -> str:
    """Format the counts of words for pgvector: `{3: 1}` becomes `{3:1}/1000000000`."""
    return f"{{{','.join(f'{word}:{n}' for word, n in counts.items())}}}/{WORD_IDS}"


class _Cache(dict[str, T]):
    """Results of a function by name or word, found when they are first read. Those of short ones are kept."""

    total = 0
    """Number of results that are kept, of all languages."""

    def __init__(self, find: Callable[[str], T]) -> None:
        self._find = find

    def __missing__(self, text: str) -> T:
        found = self._find(text)
        if len(text) <= MAX_NAME_CHARS:
            if _Cache.total >= _MAX_CACHED:
                _ids_of.cache_clear()
                _Cache.total = 0
            _Cache.total += 1
            self[text] = found
        return found


@cache
def _ids_of(language: str) -> _Cache[tuple[int, ...]]:
    """Return the ids of the words of each name in texts of a language. Names share many of their words.

    The first of several words is mostly the whole name, so its id is only kept with the name.
    """
    ids = _Cache(partial(_stem_id, language))

    def find(name: str) -> tuple[int, ...]:
        first, *others = _words(name)
        return (_stem_id(language, first), *map(ids.__getitem__, others)) if others else (ids[first],)

    return _Cache(find)


def _words(name: str) -> Iterator[str]:
    """Yield what a name is found by, in lower case: its words, their parts, and the whole of several words."""
    words = (_ASCII_WORD if name.isascii() else _word()).findall(name)
    if len(words) > 1 and len(name) <= MAX_NAME_CHARS:
        yield name.lower()
    for word in words:
        if not word.isascii() and _unspaced().search(word):
            yield from _pairs(word)
            continue
        yield word[:MAX_NAME_CHARS].lower()
        if "_" in word or not (word.islower() or _is_in_capitals(word)):
            parts = word.split("_") if _is_in_capitals(word) else _BETWEEN_PARTS.split(word)
            if len(parts) > 1:
                yield from (part.lower() for part in parts if part)


def _spellings(word: str) -> tuple[str, ...]:
    """Return a word, and the other spelling of a version."""
    version = _VERSION.fullmatch(word)
    return (version[1], f"v{version[1]}") if version else (word,)


def _is_in_capitals(word: str) -> bool:
    """Return True for a word such as `ÜBERSICHT`, whose `Ü` is no lower-case letter before a part."""
    return not word.isascii() and word.isupper()


def _pairs(word: str) -> Iterator[str]:
    """Yield the pairs of neighbouring characters of a text without spaces, and the words between such texts."""
    for run in _runs().findall(word):
        if len(run) < 3 or not _unspaced().match(run):
            yield run.lower()
        else:
            yield from (run[start : start + 2] for start in range(len(run) - 1))


def _stem_id(language: str, word: str) -> int:
    """Return the id of a word's stem in a language, without accents."""
    stem = _stemmer(language)
    stemmed = stem(word) if stem else word
    return word_id(stemmed if stemmed.isascii() else _without_accents(stemmed))


def _without_accents(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word)
    kept = (c for c in decomposed if c >= _INDIC_START or unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFC", "".join(kept)).replace("\u0131", "i")  # dotless, the lower case of I


_stemmers = threading.local()
"""Each thread's stemmers, by language: a stemmer has state, so threads that search at once can't share one."""


def _stemmer(language: str) -> Callable[[str], str] | None:
    if language in TRUNCATED:
        return _truncate
    if language not in STEMMERS:
        return None
    own = vars(_stemmers)
    if language not in own:
        from snowballstemmer import stemmer

        new = stemmer(STEMMERS[language])
        new.maxCacheSize = 0  # `_ids_of` has the results; the stemmer's own cache takes twice as long as stemming
        own[language] = new.stemWord
    stem: Callable[[str], str] = own[language]
    return stem


def _truncate(word: str) -> str:
    """Cut a word of letters: `налаштування` becomes `налаш`. Names with signs or digits stay whole."""
    return word[:STEM_CHARS] if word.isalpha() else word


@cache
def _letters() -> str:
    r"""Return the characters of words after the first for a regular expression: `\w`, and the marks that `\w` lacks.

    Finding them takes 10 ms, which no text in ASCII waits for.
    """
    marks = (chr(code) for code in range(0x300, 0x1E950) if unicodedata.category(chr(code)).startswith("M"))
    return rf"\w{''.join(marks)}"


@cache
def _names() -> re.Pattern[str]:
    return re.compile(_NAME.format(word=rf"\w[{_letters()}]*"))


@cache
def _word() -> re.Pattern[str]:
    return re.compile(rf"\w[{_letters()}]*(?:\+\+|#)?")


@cache
def _unspaced() -> re.Pattern[str]:
    return re.compile(rf"[{_WITHOUT_SPACES}]")


@cache
def _runs() -> re.Pattern[str]:
    return re.compile(rf"[{_WITHOUT_SPACES}]+|[^{_WITHOUT_SPACES}]+")
