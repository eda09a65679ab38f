"""The tokenizer of XLM-RoBERTa and multilingual-e5: a unigram language model over 250,000 pieces.

Kudo 2018, https://arxiv.org/abs/1804.10959. Written here for its start: the vocabulary is a memory-mapped trie, so
loading takes a millisecond and 1 MB. The tokenizers library takes .65 s of CPU time and 300 MB for the same vocabulary,
in each function and each process that parses files. It gives the same tokens.
"""

import mmap
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

SPACE = "▁"
"""Begins each word in the vocabulary."""

UNKNOWN = 3
"""Id of characters that are not in the vocabulary; neighbours share one."""

VOCABULARY_FILE, IDS_FILE, SCORES_FILE = "vocabulary.marisa", "vocabulary.ids", "vocabulary.scores"
"""The trie of the pieces; each piece's id (int32) and log probability (float32), in the order of the trie's keys. The
last probability is that of an unknown character."""

# SentencePiece's normalization `nmt_nfkc`: NFKC, after these are taken as white space and others are deleted.
# A longer word is several: to put many marks of one letter in order takes quadratic time.
_WORD = re.compile(r"[^\t\n\f\r \x85\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2581\u3000\ufeff\ufffd]{1,4096}")
_DELETED = re.compile(r"[\0-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]")

_CACHED_WORDS, _CACHED_CHARS = 1 << 14, 24
"""Most words of a text repeat, except in languages without spaces, where a sentence counts as a word."""

_Tokens = tuple[tuple[int, ...], tuple[int, ...]]
"""A word's token ids, and where each starts, in characters of the word."""


class UnigramTokenizer:
    """Splits words into the most probable sequence of pieces. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        from marisa_trie import Trie

        self._trie = Trie().mmap(str(folder / VOCABULARY_FILE))
        self._ids = _mapped(folder / IDS_FILE).cast("i")
        self._scores = _mapped(folder / SCORES_FILE).cast("f")
        self._unknown_score = self._scores[-1]
        self._common_word = lru_cache(_CACHED_WORDS)(self._word)

    def starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token starts, in characters. They never decrease; no token starts at white space."""
        return [[at + start for at, (_, starts) in self._words(text) for start in starts] for text in texts]

    def ids(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Return at most `limit` token ids of each text. Reads no more of a text than it needs."""
        return [list(islice((token for _, (ids, _) in self._words(text) for token in ids), limit)) for text in texts]

    def _words(self, text: str) -> Iterator[tuple[int, _Tokens]]:
        """Yield each word's start and its tokens."""
        for match in _WORD.finditer(text):
            word = match[0]
            yield match.start(), self._common_word(word) if len(word) <= _CACHED_CHARS else self._word(word)

    def _word(self, word: str) -> _Tokens:
        """Find the most probable pieces of a word, by the Viterbi algorithm."""
        text, offsets = _normalize(word)
        best = [0.0] + [float("-inf")] * len(text)
        pieces = [(0, UNKNOWN)] * len(best)
        for start in range(len(text)):
            score = best[start]
            if score + self._unknown_score > best[start + 1]:
                best[start + 1], pieces[start + 1] = score + self._unknown_score, (start, UNKNOWN)
            for piece, key in self._trie.iter_prefixes_with_ids(text[start : start + _MAX_PIECE_CHARS]):
                end = start + len(piece)
                if score + self._scores[key] > best[end]:
                    best[end], pieces[end] = score + self._scores[key], (start, self._ids[key])
        found: list[tuple[int, int]] = []
        end = len(text)
        while end:
            start, token = pieces[end]
            if token == UNKNOWN and found and found[-1][1] == UNKNOWN:
                found.pop()
            found.append((start, token))
            end = start
        found.reverse()
        return tuple(token for _, token in found), tuple(offsets[start] for start, _ in found)


_MAX_PIECE_CHARS = 48
"""Longer than the longest piece of XLM-RoBERTa's vocabulary."""


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _normalize(word: str) -> tuple[str, Sequence[int]]:
    """Return the word in NFKC after the mark of its start, and the offset in `word` of each character.

    A character that becomes several, such as ½, gives them its own offset. One that contains a space starts a word.
    """
    word_offsets: Sequence[int] = range(len(word))
    if unicodedata.is_normalized("NFKC", word) and not _DELETED.search(word):
        return SPACE + word, (0, *word_offsets)
    chars, offsets = [SPACE], [0]
    for start, end in _clusters(word):
        for char in unicodedata.normalize("NFKC", _DELETED.sub("", word[start:end])):
            if char != " ":
                chars.append(char)
            elif chars[-1] != SPACE:
                chars.append(SPACE)
            else:
                continue
            offsets.append(start)
    if chars[-1] == SPACE:  # nothing is left, or the last character ends with a space
        del chars[-1], offsets[-1]
    return "".join(chars), offsets


def _clusters(word: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of characters that normalization may compose: letters with marks, parts of a syllable."""
    starts = [
        at
        for at, char in enumerate(word)
        if not at or not (unicodedata.combining(char) or "\u1160" <= char <= "\u11ff" or _is_halfwidth_mark(char))
    ]
    yield from zip(starts, [*starts[1:], len(word)], strict=True)


def _is_halfwidth_mark(char: str) -> bool:
    """Return True for the halfwidth Katakana marks, which compose with the letter before: ｶﾞ is ガ."""
    return char in "\uff9e\uff9f"
